package id.bukubesar.peer;

import java.util.Locale;

/** What the standing views group by. The first ones are kept with a purchase, the others follow from them. */
enum Dimension {
  SYSTEM, INSTITUTION, WORK_UNIT, VENDOR, REGION, SCALE, FUNDING, COMMODITY, CATALOGUE_KIND, ORIGIN, ORDER_MONTH,
  PROVINCE, DISTRICT, UMKM, VENDOR_LOCALITY;

  static final int BASE_COUNT = 11;
  static final String UNKNOWN = "unknown";
  private static final Dimension[] ALL = values();

  static Dimension of(String name) {
    return valueOf(name.toUpperCase(Locale.ROOT));
  }

  static Dimension base(int number) {
    return ALL[number];
  }

  /** Its column in the tables of PostgreSQL. */
  String column() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Payments belong to no cell: a view over one has no `paid`. */
  boolean ofCell() {
    return this == COMMODITY || this == CATALOGUE_KIND || this == ORIGIN;
  }

  String of(String[] base) {
    String region = base[REGION.ordinal()];
    return switch (this) {
      case PROVINCE -> upToPoint(region, 1);
      case DISTRICT -> upToPoint(region, 2);
      case UMKM -> umkm(base[SCALE.ordinal()]);
      case VENDOR_LOCALITY -> UNKNOWN; // a fact about the vendor; ours joins it at read, the load has none
      default -> base[ordinal()];
    };
  }

  /** The same in SQL. */
  String sql() {
    return switch (this) {
      case PROVINCE -> "split_part(region, '.', 1)";
      case DISTRICT -> "CASE WHEN split_part(region, '.', 2) = '' THEN region"
          + " ELSE split_part(region, '.', 1) || '.' || split_part(region, '.', 2) END";
      case UMKM -> "CASE WHEN scale IN ('micro', 'small', 'micro_or_small', 'cooperative') THEN 'umk_k' ELSE scale END";
      case VENDOR_LOCALITY -> "'unknown'::text";
      default -> column();
    };
  }

  private static String upToPoint(String region, int points) {
    int at = -1;
    for (int i = 0; i < points; i++) {
      at = region.indexOf('.', at + 1);
      if (at < 0) return region;
    }
    return region.substring(0, at);
  }

  private static String umkm(String scale) {
    return switch (scale) {
      case "micro", "small", "micro_or_small", "cooperative" -> "umk_k";
      default -> scale;
    };
  }
}
