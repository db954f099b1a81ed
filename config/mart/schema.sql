-- The star schema of the mart, for PostgreSQL (schema `mart`) and for SQLite snapshots. `@m@` is the schema's prefix, `@money@` the type of
-- amounts and `@sen@` what their names end with: SQLite has no decimal type, so there amounts are whole sen. A line `-- section: NAME`
-- begins a section; docs/MART.md says when each is run.

-- section: tables
CREATE TABLE @m@mart (
  only_row integer PRIMARY KEY CHECK (only_row = 1),
  schema_version integer NOT NULL,
  ledger text NOT NULL,
  zone_minutes integer NOT NULL,
  phase text NOT NULL CHECK (phase IN ('loading', 'live')),
  facts_month text
);
CREATE TABLE @m@cut (partition text PRIMARY KEY, next_sequence bigint NOT NULL);

CREATE TABLE @m@dim_account (
  account_key smallint PRIMARY KEY, account text NOT NULL UNIQUE, is_stage boolean NOT NULL,
  committed smallint NOT NULL, strict smallint NOT NULL, broad smallint NOT NULL, stage_unknown smallint NOT NULL, paid smallint NOT NULL
);
CREATE TABLE @m@dim_scale (
  scale_key smallint PRIMARY KEY, scale text NOT NULL UNIQUE, umkm text NOT NULL, is_umkk boolean NOT NULL, is_umkm boolean NOT NULL
);
CREATE TABLE @m@dim_origin (origin_key smallint PRIMARY KEY, origin text NOT NULL UNIQUE);
CREATE TABLE @m@dim_catalogue_kind (catalogue_kind_key smallint PRIMARY KEY, catalogue_kind text NOT NULL UNIQUE);
CREATE TABLE @m@dim_component (component_key smallint PRIMARY KEY, component text NOT NULL UNIQUE);
CREATE TABLE @m@dim_kind (kind_key smallint PRIMARY KEY, kind text NOT NULL UNIQUE);
CREATE TABLE @m@dim_date (
  date_key integer PRIMARY KEY, date date, year smallint, month smallint, day smallint, month_key integer NOT NULL, month_text text NOT NULL
);
CREATE TABLE @m@dim_system (system_key integer PRIMARY KEY, system text NOT NULL UNIQUE);
CREATE TABLE @m@dim_method (method_key integer PRIMARY KEY, method text NOT NULL UNIQUE);
CREATE TABLE @m@dim_funding (funding_key integer PRIMARY KEY, funding text NOT NULL UNIQUE);
CREATE TABLE @m@dim_feed (feed_key integer PRIMARY KEY, feed text NOT NULL UNIQUE);
CREATE TABLE @m@dim_region (
  region_key bigint PRIMARY KEY, region text NOT NULL UNIQUE, province text NOT NULL, district text NOT NULL, name text
);
CREATE TABLE @m@dim_institution (
  institution_key integer PRIMARY KEY, institution text NOT NULL UNIQUE, name text, region_key bigint
);
CREATE TABLE @m@dim_satker (
  satker_key integer PRIMARY KEY, institution text NOT NULL, satker text NOT NULL, name text, UNIQUE (institution, satker)
);
CREATE TABLE @m@dim_vendor (
  vendor_key integer PRIMARY KEY, vendor text NOT NULL UNIQUE, name text, domicile text
);
CREATE TABLE @m@dim_vendor_scale (
  vendor_key integer NOT NULL, valid_from date NOT NULL, valid_until date NOT NULL, scale_key smallint NOT NULL,
  PRIMARY KEY (vendor_key, valid_from)
);
CREATE TABLE @m@dim_commodity (
  commodity_key integer PRIMARY KEY, commodity text NOT NULL UNIQUE, name text, commodity_group text
);
CREATE TABLE @m@dim_checkpoint (
  partition text NOT NULL, size bigint NOT NULL, root text NOT NULL, cosigned_by text NOT NULL, PRIMARY KEY (partition, size)
);

CREATE TABLE @m@fact_transfer (
  partition smallint NOT NULL, sequence bigint NOT NULL, row integer NOT NULL,
  ledger_time @time@, event_time @time@,
  known_date_key integer NOT NULL, event_date_key integer NOT NULL, order_date_key integer NOT NULL,
  fiscal_year smallint, kind_key smallint NOT NULL, purchase text NOT NULL,
  from_account_key smallint NOT NULL, to_account_key smallint NOT NULL,
  amount@sen@ @money@ NOT NULL, packages smallint NOT NULL,
  system_key integer NOT NULL, method_key integer NOT NULL, institution_key integer NOT NULL, satker_key integer NOT NULL,
  vendor_key integer NOT NULL, distributor_key integer NOT NULL, funding_key integer NOT NULL, stated_region_key bigint NOT NULL,
  stated_scale_key smallint NOT NULL, feed_key integer NOT NULL, component_key smallint NOT NULL, origin_key smallint NOT NULL,
  catalogue_kind_key smallint NOT NULL, commodity_key integer NOT NULL, revision bigint,
  PRIMARY KEY (partition, sequence, row)
);
CREATE TABLE @m@fact_purchase (
  purchase text PRIMARY KEY, partition smallint NOT NULL, last_sequence bigint NOT NULL, stage_key smallint NOT NULL,
  value@sen@ @money@ NOT NULL, paid@sen@ @money@ NOT NULL, fiscal_year smallint, order_date_key integer NOT NULL,
  system_key integer NOT NULL, method_key integer NOT NULL, institution_key integer NOT NULL, satker_key integer NOT NULL,
  vendor_key integer NOT NULL, distributor_key integer NOT NULL, funding_key integer NOT NULL, stated_region_key bigint NOT NULL,
  stated_scale_key smallint NOT NULL, feed_key integer NOT NULL,
  first_event_date_key integer NOT NULL, last_event_date_key integer NOT NULL,
  contracted_date_key integer, shipping_date_key integer, delivered_date_key integer, completed_date_key integer, cancelled_date_key integer,
  paid_date_key integer
);
CREATE TABLE @m@fact_month (
  month_key integer NOT NULL, fiscal_year smallint NOT NULL, institution_key integer NOT NULL, stated_region_key bigint NOT NULL,
  catalogue_kind_key smallint NOT NULL, origin_key smallint NOT NULL, account_key smallint NOT NULL,
  amount@sen@ @money@ NOT NULL, packages bigint NOT NULL,
  PRIMARY KEY (month_key, fiscal_year, institution_key, stated_region_key, catalogue_kind_key, origin_key, account_key)
);
CREATE TABLE @m@fact_finding (
  partition text NOT NULL, sequence bigint NOT NULL, kind text NOT NULL, purchase text NOT NULL, detail text NOT NULL, number integer NOT NULL,
  PRIMARY KEY (partition, sequence, number)
);

-- section: rows
INSERT INTO @m@dim_account VALUES
  (0, 'unknown', true, 1, 0, 0, 1, 0), (1, 'negotiating', true, 1, 0, 0, 0, 0), (2, 'ordered', true, 1, 0, 0, 0, 0),
  (3, 'contracted', true, 1, 0, 1, 0, 0), (4, 'shipping', true, 1, 0, 1, 0, 0), (5, 'delivered', true, 1, 0, 1, 0, 0),
  (6, 'addendum', true, 1, 0, 1, 0, 0), (7, 'completed', true, 1, 1, 1, 0, 0), (8, 'cancelled', true, 0, 0, 0, 0, 0),
  (9, 'withdrawn', true, 0, 0, 0, 0, 0), (10, 'paid', false, 0, 0, 0, 0, 1), (11, 'commitment', false, 0, 0, 0, 0, 0),
  (12, 'payable', false, 0, 0, 0, 0, 0);
INSERT INTO @m@dim_scale VALUES
  (0, 'unknown', 'unknown', false, false), (1, 'micro', 'umk_k', true, true), (2, 'small', 'umk_k', true, true),
  (3, 'micro_or_small', 'umk_k', true, true), (4, 'medium', 'medium', false, true), (5, 'large', 'large', false, false),
  (6, 'cooperative', 'umk_k', true, true);
INSERT INTO @m@dim_origin VALUES (0, 'unknown'), (1, 'domestic'), (2, 'other');
INSERT INTO @m@dim_catalogue_kind VALUES (0, 'unknown'), (1, 'local'), (2, 'sectoral'), (3, 'national');
INSERT INTO @m@dim_component VALUES (0, 'none'), (1, 'goods'), (2, 'shipping'), (3, 'tax'), (4, 'unallocated');
INSERT INTO @m@dim_kind VALUES (0, 'purchase.ordered'), (1, 'purchase.advanced'), (2, 'purchase.amended'), (3, 'purchase.paid'),
  (4, 'purchase.refunded'), (5, 'purchase.cancelled'), (6, 'purchase.withdrawn'), (7, 'purchase.corrected');
INSERT INTO @m@dim_date VALUES (0, NULL, NULL, NULL, NULL, 0, 'unknown');
INSERT INTO @m@dim_system VALUES (0, 'unknown');
INSERT INTO @m@dim_method VALUES (0, 'unknown');
INSERT INTO @m@dim_funding VALUES (0, 'unknown');
INSERT INTO @m@dim_feed VALUES (0, 'unknown');
INSERT INTO @m@dim_region VALUES (0, 'unknown', 'unknown', 'unknown', NULL);
INSERT INTO @m@dim_institution VALUES (0, 'unknown', NULL, NULL);
INSERT INTO @m@dim_satker VALUES (0, 'unknown', 'unknown', NULL);
INSERT INTO @m@dim_vendor VALUES (0, 'unknown', NULL, NULL);
INSERT INTO @m@dim_commodity VALUES (0, 'unknown', NULL, NULL);

-- section: views
-- A new column goes to the end: a migration replaces these views, and PostgreSQL keeps what others have built on them.
CREATE VIEW @m@spend AS
SELECT f.partition, f.sequence, f.row, f.ledger_time, f.event_time, known.date AS known_date, event.date AS event_date,
  ordered.date AS order_date, ordered.month_text AS order_month, event.month_text AS event_month, f.fiscal_year, kind.kind, f.purchase,
  source.account AS from_account, target.account AS to_account, region.province, region.district, region.region, region.region_key,
  region.name AS region_name, institution.institution, institution.name AS institution_name, satker.satker AS work_unit,
  satker.name AS work_unit_name, vendor.vendor, vendor.name AS vendor_name, vendor.domicile AS vendor_domicile,
  distributor.vendor AS distributor, scale.scale, scale.umkm, scale.is_umkk, scale.is_umkm, system.system, method.method, funding.funding,
  feed.feed, component.component, origin.origin, catalogue_kind.catalogue_kind, commodity.commodity, commodity.name AS commodity_name,
  commodity.commodity_group, f.packages * (target.committed - source.committed) AS packages,
  f.amount@sen@ * (target.committed - source.committed) AS committed@sen@,
  f.amount@sen@ * (target.strict - source.strict) AS strict@sen@,
  f.amount@sen@ * (target.broad - source.broad) AS broad@sen@,
  f.amount@sen@ * (target.stage_unknown - source.stage_unknown) AS stage_unknown@sen@,
  f.amount@sen@ * (target.paid - source.paid) AS paid@sen@, stated_scale.scale AS stated_scale
FROM @m@fact_transfer f
JOIN @m@dim_account source ON source.account_key = f.from_account_key
JOIN @m@dim_account target ON target.account_key = f.to_account_key
JOIN @m@dim_date known ON known.date_key = f.known_date_key
JOIN @m@dim_date event ON event.date_key = f.event_date_key
JOIN @m@dim_date ordered ON ordered.date_key = f.order_date_key
JOIN @m@dim_kind kind ON kind.kind_key = f.kind_key
JOIN @m@dim_institution institution ON institution.institution_key = f.institution_key
JOIN @m@dim_region region ON region.region_key = coalesce(institution.region_key, f.stated_region_key)
JOIN @m@dim_satker satker ON satker.satker_key = f.satker_key
JOIN @m@dim_vendor vendor ON vendor.vendor_key = f.vendor_key
JOIN @m@dim_vendor distributor ON distributor.vendor_key = f.distributor_key
LEFT JOIN @m@dim_vendor_scale in_force
  ON in_force.vendor_key = f.vendor_key AND ordered.date >= in_force.valid_from AND ordered.date < in_force.valid_until
JOIN @m@dim_scale scale ON scale.scale_key = coalesce(in_force.scale_key, f.stated_scale_key)
JOIN @m@dim_scale stated_scale ON stated_scale.scale_key = f.stated_scale_key
JOIN @m@dim_system system ON system.system_key = f.system_key
JOIN @m@dim_method method ON method.method_key = f.method_key
JOIN @m@dim_funding funding ON funding.funding_key = f.funding_key
JOIN @m@dim_feed feed ON feed.feed_key = f.feed_key
JOIN @m@dim_component component ON component.component_key = f.component_key
JOIN @m@dim_origin origin ON origin.origin_key = f.origin_key
JOIN @m@dim_catalogue_kind catalogue_kind ON catalogue_kind.catalogue_kind_key = f.catalogue_kind_key
JOIN @m@dim_commodity commodity ON commodity.commodity_key = f.commodity_key;
CREATE VIEW @m@belanja AS
SELECT partition AS partisi, sequence AS urutan, row AS baris, ledger_time AS waktu_buku_besar, event_time AS waktu_kejadian,
  known_date AS tanggal_diketahui, event_date AS tanggal_kejadian, order_date AS tanggal_pesan, order_month AS bulan_pesan,
  event_month AS bulan_kejadian, fiscal_year AS tahun_anggaran, kind AS jenis, purchase AS paket, from_account AS dari_akun,
  to_account AS ke_akun, province AS provinsi, district AS kabupaten_kota, region AS wilayah, region_key AS kunci_wilayah,
  region_name AS nama_wilayah, institution AS klpd, institution_name AS nama_klpd, work_unit AS satker, work_unit_name AS nama_satker,
  vendor AS penyedia, vendor_name AS nama_penyedia, vendor_domicile AS domisili_penyedia, distributor, scale AS skala, umkm,
  is_umkk AS termasuk_umkk, is_umkm AS termasuk_umkm, system AS sistem, method AS metode, funding AS sumber_dana, feed AS sumber_data,
  component AS komponen, origin AS asal, catalogue_kind AS jenis_katalog, commodity AS komoditas, commodity_name AS nama_komoditas,
  commodity_group AS kelompok_komoditas, packages AS jumlah_paket, committed@sen@ AS komitmen@sen@, strict@sen@ AS realisasi_sempit@sen@,
  broad@sen@ AS realisasi_luas@sen@, stage_unknown@sen@ AS tahap_tidak_diketahui@sen@, paid@sen@ AS dibayar@sen@,
  stated_scale AS skala_dinyatakan
FROM @m@spend;

-- section: purchases
-- In one pass, without sorting: sequence, row and account are put into one number, the greatest of which is the last.
INSERT INTO @m@fact_purchase
SELECT r.purchase, l.partition, l.sequence, r.stage, r.value, r.paid, l.fiscal_year, l.order_date_key, l.system_key,
  l.method_key, l.institution_key, l.satker_key, l.vendor_key, l.distributor_key, l.funding_key, l.stated_region_key, l.stated_scale_key,
  l.feed_key, r.first_event_date_key, r.last_event_date_key, r.contracted, r.shipping, r.delivered, r.completed, r.cancelled, r.paid_date
FROM (
  SELECT f.purchase, max(f.sequence * 1048576 + f.row) AS last,
    coalesce(max(CASE WHEN f.to_account_key < 10 THEN (f.sequence * 1048576 + f.row) * 16 + f.to_account_key END) % 16, 0) AS stage,
    sum(CASE WHEN f.to_account_key < 10 AND f.from_account_key >= 10 THEN f.amount@sen@
      WHEN f.to_account_key >= 10 AND f.from_account_key < 10 THEN -f.amount@sen@ ELSE 0 END) AS value,
    sum(CASE WHEN f.to_account_key = 10 AND f.from_account_key <> 10 THEN f.amount@sen@
      WHEN f.to_account_key <> 10 AND f.from_account_key = 10 THEN -f.amount@sen@ ELSE 0 END) AS paid,
    min(f.event_date_key) AS first_event_date_key, max(f.event_date_key) AS last_event_date_key,
    min(CASE WHEN f.to_account_key = 3 THEN f.event_date_key END) AS contracted,
    min(CASE WHEN f.to_account_key = 4 THEN f.event_date_key END) AS shipping,
    min(CASE WHEN f.to_account_key = 5 THEN f.event_date_key END) AS delivered,
    min(CASE WHEN f.to_account_key = 7 THEN f.event_date_key END) AS completed,
    min(CASE WHEN f.to_account_key = 8 THEN f.event_date_key END) AS cancelled,
    min(CASE WHEN f.to_account_key = 10 THEN f.event_date_key END) AS paid_date
  FROM @m@fact_transfer f
  WHERE @touched@
  GROUP BY f.purchase
) r
JOIN (SELECT f.* FROM @m@fact_transfer f WHERE @touched@) l ON l.purchase = r.purchase AND l.sequence * 1048576 + l.row = r.last
WHERE true
ON CONFLICT DO NOTHING;

-- section: months
-- Summed by both accounts at once, then taken apart: the second sum is over what is left, not over all transfers twice. A month's key is that
-- of its first day.
INSERT INTO @m@fact_month
SELECT g.month_key, g.fiscal_year, g.institution_key, g.stated_region_key, g.catalogue_kind_key, g.origin_key,
  CASE WHEN side.sign > 0 THEN g.to_account_key ELSE g.from_account_key END, sum(side.sign * g.amount), sum(side.sign * g.packages)
FROM (
  SELECT CASE WHEN f.order_date_key = 0 THEN 0 ELSE f.order_date_key / 100 * 100 + 1 END AS month_key,
    coalesce(f.fiscal_year, 0) AS fiscal_year, f.institution_key, f.stated_region_key, f.catalogue_kind_key, f.origin_key,
    f.from_account_key, f.to_account_key, sum(f.amount@sen@) AS amount, sum(f.packages) AS packages
  FROM @m@fact_transfer f
  WHERE @touched@
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
) g
CROSS JOIN (SELECT -1 AS sign UNION ALL SELECT 1) side
GROUP BY 1, 2, 3, 4, 5, 6, 7
@on_conflict@;
