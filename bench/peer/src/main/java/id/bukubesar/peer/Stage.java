package id.bukubesar.peer;

/** Where a purchase stands; the order is that of our own stages, and the SQL of the PostgreSQL peer counts on it. */
enum Stage {
  unknown, negotiating, ordered, contracted, shipping, delivered, addendum, completed, cancelled, withdrawn;

  private static final Stage[] ALL = values();

  static Stage of(String name) {
    for (Stage stage : ALL) {
      if (stage.name().equals(name)) return stage;
    }
    return unknown;
  }

  static Stage of(int number) {
    return ALL[number];
  }
}
