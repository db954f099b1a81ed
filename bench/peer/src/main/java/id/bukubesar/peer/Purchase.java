package id.bukubesar.peer;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A purchase's state and the fold: an event makes a new state, and what a purchase adds to the views moves with it.
 *
 * <p>One cell for each purchase (the load has no lines), no revisions, no rival feeds, no findings: less than our own fold does.
 */
final class Purchase {
  /** What a purchase adds to the rows of a view that it is in: packages, and amounts in sen. */
  static final int PACKAGES = 0, COMMITTED = 1, STRICT = 2, BROAD = 3, STAGE_UNKNOWN = 4, PAID = 5, MEASURES = 6;

  Stage stage = Stage.unknown;
  long total;
  long paid;
  String[] dimensions = unknown();

  static Purchase decode(byte[] bytes) {
    Purchase purchase = new Purchase();
    if (bytes == null) return purchase;
    ByteBuffer from = ByteBuffer.wrap(bytes);
    purchase.stage = Stage.of(from.get());
    purchase.total = from.getLong();
    purchase.paid = from.getLong();
    for (int i = 0; i < Dimension.BASE_COUNT; i++) {
      int size = from.get() & 0xFF;
      purchase.dimensions[i] = new String(bytes, from.position(), size, StandardCharsets.UTF_8);
      from.position(from.position() + size);
    }
    return purchase;
  }

  byte[] encode() {
    byte[] to = new byte[17 + Dimension.BASE_COUNT * 256];
    ByteBuffer buffer = ByteBuffer.wrap(to);
    buffer.put((byte) stage.ordinal()).putLong(total).putLong(paid);
    for (String dimension : dimensions) {
      byte[] text = dimension.getBytes(StandardCharsets.UTF_8);
      if (text.length > 255) throw new IllegalArgumentException("a dimension of more than 255 bytes: " + dimension);
      buffer.put((byte) text.length).put(text);
    }
    return Arrays.copyOf(to, buffer.position());
  }

  void apply(Event event, boolean exists) {
    if (event.hasDocument) {
      dimensions = event.dimensions.clone();
      total = event.amount;
      if (!exists || event.stage != Stage.unknown) stage = event.stage;
      return;
    }
    switch (event.type) {
      case "paid" -> paid = Math.addExact(paid, event.amount);
      case "refunded" -> paid = Math.subtractExact(paid, event.amount);
      default -> stage = event.stage;
    }
  }

  void measures(long[] to, long sign) {
    boolean committed = stage.compareTo(Stage.cancelled) < 0;
    boolean broad = committed && stage.compareTo(Stage.contracted) >= 0;
    to[PACKAGES] += committed ? sign : 0;
    to[COMMITTED] += committed ? sign * total : 0;
    to[STRICT] += stage == Stage.completed ? sign * total : 0;
    to[BROAD] += broad ? sign * total : 0;
    to[STAGE_UNKNOWN] += stage == Stage.unknown ? sign * total : 0;
    to[PAID] += sign * paid;
  }

  private static String[] unknown() {
    String[] all = new String[Dimension.BASE_COUNT];
    Arrays.fill(all, Dimension.UNKNOWN);
    return all;
  }
}
