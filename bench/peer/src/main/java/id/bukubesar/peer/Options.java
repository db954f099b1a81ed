package id.bukubesar.peer;

import java.util.HashMap;
import java.util.Map;

/** `--name value` pairs of a command line. */
final class Options {
  private final Map<String, String> values = new HashMap<>();

  Options(String[] arguments) {
    for (int i = 0; i < arguments.length; i += 2) {
      if (!arguments[i].startsWith("--") || i + 1 == arguments.length) throw new IllegalArgumentException("--name value, not " + arguments[i]);
      values.put(arguments[i].substring(2), arguments[i + 1]);
    }
  }

  String get(String name) {
    String value = values.get(name);
    if (value == null) throw new IllegalArgumentException("--" + name + " is missing");
    return value;
  }

  int number(String name) {
    return Integer.parseInt(get(name));
  }
}
