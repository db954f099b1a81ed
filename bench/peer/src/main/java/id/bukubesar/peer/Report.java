package id.bukubesar.peer;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Times a run from its first record to its last commit, and writes what bench/run reads. Safe from any thread. */
final class Report {
  private volatile long firstNanos;
  private long firstCpu;
  private final Map<String, Object> figures = new LinkedHashMap<>();
  private final Map<String, TreeMap<List<String>, long[]>> views = new TreeMap<>();

  /** Starting Java and joining the group is not counted; warming up the compiler is. */
  void firstRecord() {
    if (firstNanos != 0) return;
    synchronized (this) {
      if (firstNanos != 0) return;
      firstCpu = cpuNanos();
      firstNanos = System.nanoTime();
    }
  }

  synchronized void finished(long events) {
    figures.put("seconds", (System.nanoTime() - firstNanos) / 1e9);
    figures.put("cpu_seconds", (cpuNanos() - firstCpu) / 1e9);
    figures.put("events", events);
  }

  synchronized void add(View view, List<String> key, long[] measures) {
    long[] sum = views.computeIfAbsent(view.name(), name -> new TreeMap<>(Report::compare)).computeIfAbsent(key, k -> new long[Purchase.MEASURES]);
    for (int i = 0; i < sum.length; i++) sum[i] += view.hasPaid() || i != Purchase.PAID ? measures[i] : 0;
  }

  synchronized void write(String path) throws IOException {
    Map<String, List<List<Object>>> rows = new TreeMap<>();
    views.forEach((name, of) -> {
      List<List<Object>> list = rows.computeIfAbsent(name, n -> new ArrayList<>());
      of.forEach((key, measures) -> list.add(List.of(key, measures)));
    });
    figures.put("views", rows);
    new ObjectMapper().writeValue(new File(path), figures);
  }

  private static int compare(List<String> a, List<String> b) {
    return String.join("\0", a).compareTo(String.join("\0", b));
  }

  private static long cpuNanos() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
  }
}
