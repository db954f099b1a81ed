package id.bukubesar.peer;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The Kafka Streams application: exactly-once v2, RocksDB stores with changelogs, ids accepted once, purchase states, standing views.
 *
 * <p>One sub-topology and no repartitioning: a task keeps the views of its own partition and a reader adds them up, as ours does. It
 * ends when the group's committed offsets have reached the end of the topic: only then is everything durable and visible.
 */
public final class StreamsPeer {
  private static final byte[] SEEN = {1};
  private static final String IDS = "ids", PURCHASES = "purchases", VIEWS = "views";

  /** The work on one event. One object for each task. */
  private static final class Fold implements Processor<byte[], byte[], Void, Void> {
    private final List<View> views;
    private final Report report;
    private final Map<TopicPartition, Long> ends;
    private final Event event = new Event();
    private ProcessorContext<Void, Void> context;
    private KeyValueStore<Bytes, byte[]> ids, purchases, sums;

    Fold(List<View> views, Report report, Map<TopicPartition, Long> ends) {
      this.views = views;
      this.report = report;
      this.ends = ends;
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      this.context = context;
      ids = context.getStateStore(IDS);
      purchases = context.getStateStore(PURCHASES);
      sums = context.getStateStore(VIEWS);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      report.firstRecord();
      apply(record);
      // The last record does not wait for the next interval.
      if (isLast()) context.commit();
    }

    private boolean isLast() {
      return context.recordMetadata()
          .map(at -> at.offset() + 1 >= ends.getOrDefault(new TopicPartition(at.topic(), at.partition()), Long.MAX_VALUE))
          .orElse(false);
    }

    private void apply(Record<byte[], byte[]> record) {
      event.read(record.value());
      if (ids.putIfAbsent(Bytes.wrap(event.fingerprint()), SEEN) != null) return;
      Bytes key = Bytes.wrap(record.key());
      byte[] stored = purchases.get(key);
      Purchase purchase = Purchase.decode(stored);
      long[] change = new long[Purchase.MEASURES];
      String[] before = purchase.dimensions;
      if (stored != null) purchase.measures(change, -1);
      purchase.apply(event, stored != null);
      if (stored != null && !Arrays.equals(before, purchase.dimensions)) {
        add(before, change);
        Arrays.fill(change, 0);
      }
      purchase.measures(change, 1);
      add(purchase.dimensions, change);
      purchases.put(key, purchase.encode());
    }

    private void add(String[] dimensions, long[] change) {
      if (Arrays.stream(change).allMatch(each -> each == 0)) return;
      for (int i = 0; i < views.size(); i++) {
        View view = views.get(i);
        if (!view.covers(dimensions)) continue;
        Bytes key = keyOf(i, view, dimensions);
        byte[] old = sums.get(key);
        byte[] sum = old == null ? new byte[Purchase.MEASURES * Long.BYTES] : old.clone();
        ByteBuffer buffer = ByteBuffer.wrap(sum);
        for (int m = 0; m < Purchase.MEASURES; m++) {
          buffer.putLong(m * Long.BYTES, Math.addExact(buffer.getLong(m * Long.BYTES), change[m]));
        }
        sums.put(key, sum);
      }
    }
  }

  /** The view's number, then the values with a zero byte between them. */
  private static Bytes keyOf(int number, View view, String[] dimensions) {
    StringBuilder text = new StringBuilder(48).append((char) (number + 1));
    for (int i = 0; i < view.by().length; i++) {
      if (i > 0) text.append('\0');
      text.append(view.by()[i].of(dimensions));
    }
    return Bytes.wrap(text.toString().getBytes(StandardCharsets.UTF_8));
  }

  private static StoreBuilder<KeyValueStore<Bytes, byte[]>> store(String name, boolean cached) {
    StoreBuilder<KeyValueStore<Bytes, byte[]>> builder =
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), Serdes.Bytes(), Serdes.ByteArray());
    return cached ? builder.withCachingEnabled() : builder;
  }

  private static Topology topology(String topic, List<View> views, Report report, boolean best, Map<TopicPartition, Long> ends) {
    Topology topology = new Topology();
    topology.addSource("events", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), topic);
    topology.addProcessor("fold", () -> new Fold(views, report, ends), "events");
    // An id is written once and never again: in the cache it would only displace what is.
    topology.addStateStore(store(IDS, !best), "fold");
    topology.addStateStore(store(PURCHASES, true), "fold");
    topology.addStateStore(store(VIEWS, true), "fold");
    return topology;
  }

  private static Properties settings(Options options, boolean best) {
    Properties p = new Properties();
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, options.get("application"));
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("bootstrap"));
    p.put(StreamsConfig.STATE_DIR_CONFIG, options.get("dir"));
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    p.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    if (best) tune(p, options);
    return p;
  }

  /** Each choice and its reason: bench/peer/README.md. */
  private static void tune(Properties p, Options options) {
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.number("commit-ms"));
    p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 512L << 20);
    p.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, RocksDbSettings.class);
    p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 50_000);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_BYTES_CONFIG), 64 << 20);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 16 << 20);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.RECEIVE_BUFFER_CONFIG), 1 << 20);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 512 << 10);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 256L << 20);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
  }

  private static Map<TopicPartition, Long> ends(Admin admin, String topic) throws Exception {
    int partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    Map<TopicPartition, OffsetSpec> ask = new HashMap<>();
    for (int i = 0; i < partitions; i++) ask.put(new TopicPartition(topic, i), OffsetSpec.latest());
    return admin.listOffsets(ask).all().get().entrySet().stream()
        .filter(each -> each.getValue().offset() > 0)
        .collect(Collectors.toMap(Map.Entry::getKey, each -> each.getValue().offset()));
  }

  private static boolean committed(Admin admin, String group, Map<TopicPartition, Long> ends) throws Exception {
    Map<TopicPartition, OffsetAndMetadata> now = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
    return ends.entrySet().stream().allMatch(end -> now.get(end.getKey()) != null && now.get(end.getKey()).offset() >= end.getValue());
  }

  private static void readViews(KafkaStreams streams, List<View> views, Report report) {
    ReadOnlyKeyValueStore<Bytes, byte[]> store =
        streams.store(StoreQueryParameters.fromNameAndType(VIEWS, QueryableStoreTypes.keyValueStore()));
    // The stores of all tasks, one after the other.
    try (KeyValueIterator<Bytes, byte[]> all = store.all()) {
      all.forEachRemaining(row -> {
        String key = new String(row.key.get(), StandardCharsets.UTF_8);
        long[] measures = new long[Purchase.MEASURES];
        ByteBuffer.wrap(row.value).asLongBuffer().get(measures);
        report.add(views.get(key.charAt(0) - 1), List.of(key.substring(1).split("\0", -1)), measures);
      });
    }
  }

  public static void main(String[] arguments) throws Exception {
    Options options = new Options(arguments);
    boolean best = options.get("mode").equals("best");
    List<View> views = View.readAll(options.get("views"));
    Report report = new Report();
    Properties settings = settings(options, best);
    CountDownLatch failed = new CountDownLatch(1);
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) options.get("bootstrap")))) {
      Map<TopicPartition, Long> ends = ends(admin, options.get("topic"));
      try (KafkaStreams streams = new KafkaStreams(topology(options.get("topic"), views, report, best, ends), settings)) {
        streams.setUncaughtExceptionHandler(error -> {
          error.printStackTrace();
          failed.countDown();
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        while (!committed(admin, options.get("application"), ends)) {
          if (failed.await(100, java.util.concurrent.TimeUnit.MILLISECONDS)) System.exit(1);
        }
        report.finished(ends.values().stream().mapToLong(Long::longValue).sum());
        readViews(streams, views, report);
        report.write(options.get("out"));
      }
    }
  }
}
