package id.bukubesar.peer;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** The statements of the PostgreSQL peer, made from the views' definitions. Only whole batches, only sets. */
final class Sql {
  private static final String DIMENSIONS = columns("", "");
  private static final String MEASURES = "packages, committed, strict, broad, stage_unknown, paid";
  private static final List<String> MEASURE_COLUMNS = List.of(MEASURES.split(", "));

  private final List<View> views;
  private final int writer;

  Sql(List<View> views, int writer) {
    this.views = views;
    this.writer = writer;
  }

  /** Made once. The rows of purchases and views are changed in place: room is left for that, and no column that changes is indexed. */
  static String tables(List<View> views) {
    StringBuilder sql = new StringBuilder();
    sql.append("CREATE TABLE events (id uuid PRIMARY KEY, position bigint NOT NULL, payload text COMPRESSION lz4);\n");
    sql.append("CREATE TABLE purchases (purchase text PRIMARY KEY, stage smallint, total bigint, paid bigint, ")
        .append(columns("", " text")).append(") WITH (fillfactor = 70);\n");
    sql.append("CREATE TABLE offsets (partition int PRIMARY KEY, next bigint NOT NULL);\n");
    for (View view : views) {
      sql.append("CREATE TABLE ").append(table(view)).append(" (writer int, ").append(by(view, " text")).append(", ")
          .append(MEASURE_COLUMNS.stream().map(each -> each + " bigint NOT NULL").collect(Collectors.joining(", ")))
          .append(", PRIMARY KEY (writer, ").append(by(view, "")).append(")) WITH (fillfactor = 50);\n");
    }
    return sql.toString();
  }

  /** Of each connection: the tables that a batch passes through. */
  String session() {
    String state = "(purchase text, stage smallint, total bigint, paid bigint, " + columns("", " text") + ") ON COMMIT DELETE ROWS;\n";
    return "CREATE TEMP TABLE staging (position bigint, id uuid, purchase text, stage smallint, total bigint, paid bigint, "
        + columns("", " text") + ", payload text) ON COMMIT DELETE ROWS;\n"
        + "CREATE TEMP TABLE fresh (position bigint, purchase text, stage smallint, total bigint, paid bigint, " + columns("", " text")
        + ") ON COMMIT DELETE ROWS;\n"
        + "CREATE TEMP TABLE touched (purchase text, stage_at bigint, document_at bigint, paid bigint) ON COMMIT DELETE ROWS;\n"
        + "CREATE TEMP TABLE before " + state + "CREATE TEMP TABLE after " + state
        + "CREATE TEMP TABLE change (" + columns("", " text") + ", "
        + MEASURE_COLUMNS.stream().map(each -> each + " bigint").collect(Collectors.joining(", ")) + ") ON COMMIT DELETE ROWS;\n";
  }

  /** What happens to a staged batch. Only its net effect on a purchase counts: the last stage, the last document, the sum paid. */
  String apply() {
    StringBuilder sql = new StringBuilder();
    sql.append("WITH added AS (INSERT INTO events SELECT id, position, payload FROM staging ON CONFLICT (id) DO NOTHING RETURNING position)\n")
        .append("INSERT INTO fresh SELECT s.position, s.purchase, s.stage, s.total, s.paid, ").append(columns("s.", ""))
        .append(" FROM staging s JOIN added USING (position);\n");
    sql.append("INSERT INTO touched SELECT purchase, max(position) FILTER (WHERE stage IS NOT NULL AND (stage <> 0 OR total IS NULL)),")
        .append(" max(position) FILTER (WHERE total IS NOT NULL), sum(paid) FROM fresh GROUP BY purchase;\n");
    sql.append("ANALYZE touched;\n");
    sql.append("INSERT INTO before SELECT p.* FROM touched t JOIN purchases p USING (purchase);\n");
    sql.append("INSERT INTO after SELECT t.purchase, coalesce(s.stage, b.stage, 0), coalesce(d.total, b.total, 0), coalesce(b.paid, 0) + t.paid, ")
        .append(each(column -> "CASE WHEN d.position IS NULL THEN coalesce(b." + column + ", 'unknown') ELSE d." + column + " END"))
        .append(" FROM touched t LEFT JOIN before b USING (purchase) LEFT JOIN fresh s ON s.position = t.stage_at")
        .append(" LEFT JOIN fresh d ON d.position = t.document_at;\n");
    sql.append("INSERT INTO purchases SELECT * FROM after ON CONFLICT (purchase) DO UPDATE SET stage = excluded.stage, total = excluded.total,")
        .append(" paid = excluded.paid, ").append(each(column -> column + " = excluded." + column)).append(";\n");
    sql.append("INSERT INTO change ").append(effect("after", "")).append(" UNION ALL ").append(effect("before", "-")).append(";\n");
    views.forEach(view -> sql.append(upsert(view)));
    return sql.toString();
  }

  static String read(View view) {
    return "SELECT " + by(view, "") + ", " + sums() + " FROM " + table(view) + " GROUP BY " + by(view, "");
  }

  private String upsert(View view) {
    String keys = by(view, "");
    String values = Arrays.stream(view.by()).map(each -> each.sql() + " AS k_" + each.column()).collect(Collectors.joining(", "));
    String groups = Arrays.stream(view.by()).map(each -> "k_" + each.column()).collect(Collectors.joining(", "));
    String where = view.where() == null ? "" : " WHERE " + view.where().sql() + " IN ("
        + view.accepted().stream().map(each -> "'" + each.replace("'", "''") + "'").collect(Collectors.joining(", ")) + ")";
    String moved = MEASURE_COLUMNS.stream().map(each -> "sum(" + each + ") <> 0").collect(Collectors.joining(" OR "));
    String added = MEASURE_COLUMNS.stream().map(each -> each + " = v." + each + " + excluded." + each).collect(Collectors.joining(", "));
    return "INSERT INTO " + table(view) + " AS v (writer, " + keys + ", " + MEASURES + ") SELECT " + writer + ", " + values + ", " + sums()
        + " FROM change" + where + " GROUP BY " + groups + " HAVING " + moved + " ON CONFLICT (writer, " + keys + ") DO UPDATE SET " + added + ";\n";
  }

  private static String effect(String table, String sign) {
    return "SELECT " + DIMENSIONS + ", " + sign + "CASE WHEN stage < 8 THEN 1 ELSE 0 END, " + sign + "CASE WHEN stage < 8 THEN total ELSE 0 END, "
        + sign + "CASE WHEN stage = 7 THEN total ELSE 0 END, " + sign + "CASE WHEN stage BETWEEN 3 AND 7 THEN total ELSE 0 END, "
        + sign + "CASE WHEN stage = 0 THEN total ELSE 0 END, " + sign + "paid FROM " + table;
  }

  private static String table(View view) {
    return "view_" + view.name();
  }

  private static String sums() {
    return MEASURE_COLUMNS.stream().map(each -> "sum(" + each + ")").collect(Collectors.joining(", "));
  }

  private static String by(View view, String suffix) {
    return Arrays.stream(view.by()).map(each -> each.column() + suffix).collect(Collectors.joining(", "));
  }

  private static String columns(String prefix, String suffix) {
    return each(column -> prefix + column + suffix);
  }

  private static String each(java.util.function.UnaryOperator<String> make) {
    return IntStream.range(0, Dimension.BASE_COUNT).mapToObj(i -> make.apply(Dimension.base(i).column())).collect(Collectors.joining(", "));
  }
}
