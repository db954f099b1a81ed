package id.bukubesar.peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/**
 * One purchase event, as far as state and views need it. One object is read into again and again: a thread owns it.
 *
 * <p>Read with Jackson's streaming parser. It checks less than our own rules do (no doubled members, no formats): less work, to the
 * peers' advantage. An event that it cannot make sense of ends the run, since the load has none.
 */
final class Event {
  private static final JsonFactory JSON = new JsonFactory();
  private static final String TYPE_PREFIX = "id.bukubesar.purchase.";

  String type;
  String source;
  String id;
  String subject;
  /** What the event states, or null. */
  Stage stage;
  /** Sen; of a document its total, of a payment its amount. */
  long amount;

  boolean hasDocument;
  final String[] dimensions = new String[Dimension.BASE_COUNT];

  private final MessageDigest sha256;

  Event() {
    try {
      sha256 = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The first 128 bits of SHA-256(source ‖ 00 ‖ id): what is accepted once. */
  byte[] fingerprint() {
    sha256.update(source.getBytes(StandardCharsets.UTF_8));
    sha256.update((byte) 0);
    return Arrays.copyOf(sha256.digest(id.getBytes(StandardCharsets.UTF_8)), 16);
  }

  void read(byte[] json) {
    type = source = id = subject = null;
    stage = null;
    amount = 0;
    hasDocument = false;
    try (JsonParser p = JSON.createParser(json)) {
      expect(p.nextToken(), JsonToken.START_OBJECT);
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        String name = p.currentName();
        JsonToken value = p.nextToken();
        switch (name) {
          case "type" -> type = p.getText();
          case "source" -> source = p.getText();
          case "id" -> id = p.getText();
          case "subject" -> subject = p.getText();
          case "data" -> readData(p, value);
          default -> p.skipChildren();
        }
      }
    } catch (IOException e) {
      throw new IllegalArgumentException(new String(json, StandardCharsets.UTF_8), e);
    }
    if (type == null || source == null || id == null || subject == null || !type.startsWith(TYPE_PREFIX)) {
      throw new IllegalArgumentException("no purchase event: " + new String(json, StandardCharsets.UTF_8));
    }
    type = type.substring(TYPE_PREFIX.length(), type.length() - ".v1".length());
    if (type.equals("cancelled") || type.equals("withdrawn")) stage = Stage.valueOf(type);
    if (hasDocument) dimensions[Dimension.SYSTEM.ordinal()] = subject.substring(0, subject.indexOf('/'));
  }

  private void readData(JsonParser p, JsonToken start) throws IOException {
    expect(start, JsonToken.START_OBJECT);
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String name = p.currentName();
      JsonToken value = p.nextToken();
      switch (name) {
        case "document" -> readDocument(p, value);
        case "stage" -> stage = Stage.of(p.getText());
        case "amount" -> amount = sen(p.getText());
        default -> p.skipChildren();
      }
    }
  }

  private void readDocument(JsonParser p, JsonToken start) throws IOException {
    expect(start, JsonToken.START_OBJECT);
    hasDocument = true;
    Arrays.fill(dimensions, Dimension.UNKNOWN);
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String name = p.currentName();
      JsonToken value = p.nextToken();
      switch (name) {
        case "stage" -> stage = Stage.of(p.getText());
        case "order_date" -> set(Dimension.ORDER_MONTH, p.getText().substring(0, 7));
        case "institution" -> set(Dimension.INSTITUTION, p.getText());
        case "work_unit" -> set(Dimension.WORK_UNIT, p.getText());
        case "vendor" -> set(Dimension.VENDOR, p.getText());
        case "commodity" -> set(Dimension.COMMODITY, p.getText());
        case "catalogue_kind" -> set(Dimension.CATALOGUE_KIND, p.getText());
        case "stated" -> readStated(p);
        case "funding" -> readFunding(p);
        case "amounts" -> readAmounts(p);
        default -> p.skipChildren();
      }
    }
  }

  private void readStated(JsonParser p) throws IOException {
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String name = p.currentName();
      p.nextToken();
      if (name.equals("region")) set(Dimension.REGION, p.getText());
      if (name.equals("scale")) set(Dimension.SCALE, p.getText());
    }
  }

  private void readFunding(JsonParser p) throws IOException {
    String all = null;
    while (p.nextToken() != JsonToken.END_ARRAY) all = all == null ? p.getText() : all + ";" + p.getText();
    if (all != null) set(Dimension.FUNDING, all);
  }

  private void readAmounts(JsonParser p) throws IOException {
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String name = p.currentName();
      p.nextToken();
      if (name.equals("total")) amount = sen(p.getText());
    }
  }

  private void set(Dimension dimension, String value) {
    dimensions[dimension.ordinal()] = value;
  }

  private static void expect(JsonToken token, JsonToken wanted) {
    if (token != wanted) throw new IllegalArgumentException("want " + wanted + ", got " + token);
  }

  /** "123.45" is 12345 sen; an integer is rupiah. */
  private static long sen(String text) {
    int point = text.indexOf('.');
    if (point < 0) return Math.multiplyExact(Long.parseLong(text), 100);
    long sen = 0;
    for (int i = 0; i < text.length(); i++) {
      if (i != point && text.charAt(i) != '-') sen = Math.addExact(Math.multiplyExact(sen, 10), text.charAt(i) - '0');
    }
    if (text.length() - point == 2) sen *= 10;
    return text.charAt(0) == '-' ? -sen : sen;
  }
}
