package id.bukubesar.peer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** A standing view of config/views.json: what it groups by, and what it filters on. */
record View(String name, Dimension[] by, Dimension where, List<String> accepted) {

  static List<View> readAll(String path) throws IOException {
    List<View> views = new ArrayList<>();
    for (JsonNode node : new ObjectMapper().readTree(new File(path)).get("views")) {
      List<Dimension> by = new ArrayList<>();
      node.get("by").forEach(name -> by.add(Dimension.of(name.asText())));
      Dimension where = null;
      List<String> accepted = new ArrayList<>();
      JsonNode filter = node.path("where");
      if (filter.size() > 1) throw new IllegalArgumentException(node.get("name") + ": the peers know filters of one dimension");
      if (filter.size() == 1) {
        String name = filter.fieldNames().next();
        where = Dimension.of(name);
        filter.get(name).forEach(value -> accepted.add(value.asText()));
      }
      views.add(new View(node.get("name").asText(), by.toArray(new Dimension[0]), where, accepted));
    }
    return views;
  }

  boolean covers(String[] dimensions) {
    return where == null || accepted.contains(where.of(dimensions));
  }

  boolean hasPaid() {
    if (where != null && where.ofCell()) return false;
    for (Dimension dimension : by) {
      if (dimension.ofCell()) return false;
    }
    return true;
  }
}
