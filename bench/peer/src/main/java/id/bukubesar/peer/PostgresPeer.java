package id.bukubesar.peer;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

/**
 * PostgreSQL fed from Kafka: COPY into a staging table, ids accepted once by INSERT … ON CONFLICT DO NOTHING, states and views upserted
 * by sets, the next offset in the same synced transaction.
 *
 * <p>A writer has a connection and its own share of the partitions and of the views' rows (a reader adds them up), so that writers never
 * wait for each other's locks. Reading and parsing the next batch overlaps with the database's work on the last one.
 */
public final class PostgresPeer {
  private static final int BATCHES_AHEAD = 2;
  private static final long POSITION_BITS = 48; // partition above, offset below

  /** Rows in COPY's binary format, and the offsets after them. */
  private record Batch(CopyRows rows, Map<Integer, Long> next) {}

  private static final Batch END = new Batch(null, Map.of());

  private final Options options;
  private final List<View> views;
  private final Report report;
  private final boolean payloads;
  private final int batchRows;

  private PostgresPeer(Options options) throws Exception {
    this.options = options;
    views = View.readAll(options.get("views"));
    report = new Report();
    payloads = options.get("mode").equals("payloads");
    batchRows = options.number("batch");
  }

  private Connection connect() throws SQLException {
    return DriverManager.getConnection(options.get("jdbc"));
  }

  private KafkaConsumer<byte[], byte[]> consumer() {
    return new KafkaConsumer<>(Map.of("bootstrap.servers", options.get("bootstrap"), "max.poll.records", 10_000, "fetch.max.bytes", 64 << 20,
        "max.partition.fetch.bytes", 16 << 20, "receive.buffer.bytes", 1 << 20, "enable.auto.commit", false),
        new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  private List<TopicPartition> partitions(KafkaConsumer<byte[], byte[]> consumer) {
    List<TopicPartition> all = new ArrayList<>();
    consumer.partitionsFor(options.get("topic")).forEach(each -> all.add(new TopicPartition(each.topic(), each.partition())));
    return all;
  }

  /** Reads `share` to its present end, batch by batch. Returns how many records there were. */
  private long read(List<TopicPartition> share, BlockingQueue<Batch> to) throws InterruptedException {
    Event event = new Event();
    long records = 0;
    try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
      consumer.assign(share);
      consumer.seekToBeginning(share);
      Map<TopicPartition, Long> ends = consumer.endOffsets(share);
      CopyRows rows = new CopyRows();
      Map<Integer, Long> next = new java.util.HashMap<>();
      while (share.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          report.firstRecord();
          event.read(record.value());
          rows.add(((long) record.partition() << POSITION_BITS) + record.offset(), event, payloads ? record.value() : null);
          next.put(record.partition(), record.offset() + 1);
          records++;
          if (rows.count() < batchRows) continue;
          to.put(new Batch(rows.finished(), next));
          rows = new CopyRows();
          next = new java.util.HashMap<>();
        }
      }
      if (rows.count() > 0) to.put(new Batch(rows.finished(), next));
    }
    to.put(END);
    return records;
  }

  private void write(int writer, BlockingQueue<Batch> from) throws Exception {
    try (Connection connection = connect(); Statement statement = connection.createStatement()) {
      Sql sql = new Sql(views, writer);
      statement.execute(sql.session());
      connection.setAutoCommit(false);
      CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
      for (Batch batch = from.take(); batch != END; batch = from.take()) {
        copy.copyIn("COPY staging FROM STDIN (FORMAT binary)", batch.rows().stream(), 1 << 20);
        statement.execute(sql.apply());
        for (Map.Entry<Integer, Long> next : batch.next().entrySet()) {
          statement.execute("INSERT INTO offsets VALUES (" + next.getKey() + ", " + next.getValue()
              + ") ON CONFLICT (partition) DO UPDATE SET next = excluded.next");
        }
        connection.commit();
      }
    }
  }

  private void readViews() throws SQLException {
    try (Connection connection = connect(); Statement statement = connection.createStatement()) {
      for (View view : views) {
        try (ResultSet rows = statement.executeQuery(Sql.read(view))) {
          while (rows.next()) {
            List<String> key = new ArrayList<>();
            for (int i = 1; i <= view.by().length; i++) key.add(rows.getString(i));
            long[] measures = new long[Purchase.MEASURES];
            for (int i = 0; i < measures.length; i++) measures[i] = rows.getLong(view.by().length + 1 + i);
            report.add(view, key, measures);
          }
        }
      }
    }
  }

  private void run() throws Exception {
    try (Connection connection = connect(); Statement statement = connection.createStatement()) {
      statement.execute(Sql.tables(views));
    }
    List<TopicPartition> all;
    try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
      all = partitions(consumer);
    }
    int writers = Math.min(options.number("writers"), all.size());
    ExecutorService threads = Executors.newCachedThreadPool();
    List<Future<Long>> readers = new ArrayList<>();
    List<Future<?>> done = new ArrayList<>();
    for (int i = 0; i < writers; i++) {
      int writer = i;
      List<TopicPartition> share = all.stream().filter(each -> each.partition() % writers == writer).toList();
      BlockingQueue<Batch> queue = new ArrayBlockingQueue<>(BATCHES_AHEAD);
      readers.add(threads.submit(() -> read(share, queue)));
      done.add(threads.submit(() -> {
        write(writer, queue);
        return null;
      }));
    }
    // A writer that fails ends the process: its reader would wait for room for ever.
    for (Future<?> each : Collections.unmodifiableList(done)) each.get();
    long records = 0;
    for (Future<Long> each : readers) records += each.get();
    report.finished(records);
    threads.shutdown();
    readViews();
    report.write(options.get("out"));
  }

  public static void main(String[] arguments) {
    try {
      new PostgresPeer(new Options(arguments)).run();
    } catch (Exception e) {
      e.printStackTrace();
      System.exit(1);
    }
  }
}
