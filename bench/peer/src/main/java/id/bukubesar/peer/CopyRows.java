package id.bukubesar.peer;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Rows of the staging table in COPY's binary format: nothing to escape, nothing for the server to parse. */
final class CopyRows {
  private static final byte[] HEAD = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', (byte) 0xFF, '\r', '\n', 0, 0, 0, 0, 0, 0, 0, 0, 0};
  private static final int NULL = -1;
  private static final short COLUMNS = (short) (7 + Dimension.BASE_COUNT);

  private byte[] bytes = new byte[4 << 20];
  private int size;
  private int count;

  CopyRows() {
    put(HEAD);
  }

  int count() {
    return count;
  }

  /** In the order of the staging table's columns. */
  void add(long position, Event event, byte[] payload) {
    number(COLUMNS, 2);
    field(position, 8);
    field(event.fingerprint());
    field(event.subject);
    if (event.stage == null) {
      number(NULL, 4);
    } else {
      field(event.stage.ordinal(), 2);
    }
    if (event.hasDocument) {
      field(event.amount, 8);
    } else {
      number(NULL, 4);
    }
    field(event.type.equals("paid") ? event.amount : event.type.equals("refunded") ? -event.amount : 0, 8);
    for (String dimension : event.dimensions) {
      if (event.hasDocument) {
        field(dimension);
      } else {
        number(NULL, 4);
      }
    }
    if (payload != null) {
      field(payload);
    } else {
      number(NULL, 4);
    }
    count++;
  }

  CopyRows finished() {
    number(-1, 2);
    return this;
  }

  InputStream stream() {
    return new ByteArrayInputStream(bytes, 0, size);
  }

  private void field(String text) {
    field(text.getBytes(StandardCharsets.UTF_8));
  }

  private void field(byte[] value) {
    number(value.length, 4);
    put(value);
  }

  private void field(long value, int width) {
    number(width, 4);
    number(value, width);
  }

  private void number(long value, int width) {
    room(width);
    for (int shift = (width - 1) * 8; shift >= 0; shift -= 8) bytes[size++] = (byte) (value >> shift);
  }

  private void put(byte[] value) {
    room(value.length);
    System.arraycopy(value, 0, bytes, size, value.length);
    size += value.length;
  }

  private void room(int more) {
    if (size + more > bytes.length) bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, size + more));
  }
}
