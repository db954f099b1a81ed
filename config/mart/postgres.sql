-- What only PostgreSQL has: foreign keys and indexes, put on when the first load is done; comments; the role that may only read.

-- section: of transfers
-- Keys hold for each row that comes from now on; what the first load brought is looked through afterwards (section `unchecked`).
CREATE INDEX fact_transfer_purchase ON @m@fact_transfer (purchase);
CREATE INDEX fact_transfer_order_date ON @m@fact_transfer (order_date_key);
CREATE INDEX fact_transfer_event_date ON @m@fact_transfer (event_date_key);
ALTER TABLE @m@fact_transfer
  ADD FOREIGN KEY (known_date_key) REFERENCES @m@dim_date NOT VALID, ADD FOREIGN KEY (event_date_key) REFERENCES @m@dim_date NOT VALID,
  ADD FOREIGN KEY (order_date_key) REFERENCES @m@dim_date NOT VALID, ADD FOREIGN KEY (kind_key) REFERENCES @m@dim_kind NOT VALID,
  ADD FOREIGN KEY (from_account_key) REFERENCES @m@dim_account NOT VALID, ADD FOREIGN KEY (to_account_key) REFERENCES @m@dim_account NOT VALID,
  ADD FOREIGN KEY (system_key) REFERENCES @m@dim_system NOT VALID, ADD FOREIGN KEY (method_key) REFERENCES @m@dim_method NOT VALID,
  ADD FOREIGN KEY (institution_key) REFERENCES @m@dim_institution NOT VALID, ADD FOREIGN KEY (satker_key) REFERENCES @m@dim_satker NOT VALID,
  ADD FOREIGN KEY (vendor_key) REFERENCES @m@dim_vendor NOT VALID, ADD FOREIGN KEY (distributor_key) REFERENCES @m@dim_vendor NOT VALID,
  ADD FOREIGN KEY (funding_key) REFERENCES @m@dim_funding NOT VALID, ADD FOREIGN KEY (stated_region_key) REFERENCES @m@dim_region NOT VALID,
  ADD FOREIGN KEY (stated_scale_key) REFERENCES @m@dim_scale NOT VALID, ADD FOREIGN KEY (feed_key) REFERENCES @m@dim_feed NOT VALID,
  ADD FOREIGN KEY (component_key) REFERENCES @m@dim_component NOT VALID, ADD FOREIGN KEY (origin_key) REFERENCES @m@dim_origin NOT VALID,
  ADD FOREIGN KEY (catalogue_kind_key) REFERENCES @m@dim_catalogue_kind NOT VALID, ADD FOREIGN KEY (commodity_key) REFERENCES @m@dim_commodity NOT VALID;
ALTER TABLE @m@dim_institution ADD FOREIGN KEY (region_key) REFERENCES @m@dim_region NOT VALID;
ALTER TABLE @m@dim_vendor_scale
  ADD FOREIGN KEY (vendor_key) REFERENCES @m@dim_vendor NOT VALID, ADD FOREIGN KEY (scale_key) REFERENCES @m@dim_scale NOT VALID;

-- section: of sums
ALTER TABLE @m@fact_purchase
  ADD FOREIGN KEY (stage_key) REFERENCES @m@dim_account NOT VALID, ADD FOREIGN KEY (order_date_key) REFERENCES @m@dim_date NOT VALID,
  ADD FOREIGN KEY (institution_key) REFERENCES @m@dim_institution NOT VALID, ADD FOREIGN KEY (satker_key) REFERENCES @m@dim_satker NOT VALID,
  ADD FOREIGN KEY (vendor_key) REFERENCES @m@dim_vendor NOT VALID, ADD FOREIGN KEY (stated_region_key) REFERENCES @m@dim_region NOT VALID,
  ADD FOREIGN KEY (stated_scale_key) REFERENCES @m@dim_scale NOT VALID;
ALTER TABLE @m@fact_month
  ADD FOREIGN KEY (institution_key) REFERENCES @m@dim_institution NOT VALID, ADD FOREIGN KEY (stated_region_key) REFERENCES @m@dim_region NOT VALID,
  ADD FOREIGN KEY (catalogue_kind_key) REFERENCES @m@dim_catalogue_kind NOT VALID, ADD FOREIGN KEY (origin_key) REFERENCES @m@dim_origin NOT VALID,
  ADD FOREIGN KEY (account_key) REFERENCES @m@dim_account NOT VALID;

-- section: unchecked
SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint
WHERE contype = 'f' AND NOT convalidated AND connamespace = 'mart'::regnamespace ORDER BY 1, 2;

-- section: comments
COMMENT ON SCHEMA mart IS 'Bukubesar: a star schema of public purchases. Begin with the views spend (English) and belanja (Indonesian).';
COMMENT ON TABLE @m@mart IS 'One row: which ledger this is of, and whether its first load is done.';
COMMENT ON TABLE @m@cut IS 'How many entries of each ledger partition are in the mart: as_of of the server for the same figures.';
COMMENT ON VIEW @m@spend IS 'One row for each transfer, with its dimensions. Sum committed, strict (completed) or broad (contracted and later); filter sequence or ledger_time for what was known then.';
COMMENT ON VIEW @m@belanja IS 'Satu baris untuk setiap perpindahan nilai. Jumlahkan komitmen, realisasi_sempit (selesai) atau realisasi_luas (sejak kontrak).';
COMMENT ON TABLE @m@fact_transfer IS 'Append-only: each movement of money between two accounts. (partition, sequence) is an entry of the ledger.';
COMMENT ON COLUMN @m@fact_transfer.sequence IS 'Of the ledger entry, dense from 0 in its partition.';
COMMENT ON COLUMN @m@fact_transfer.row IS 'Within the entry''s event.';
COMMENT ON COLUMN @m@fact_transfer.ledger_time IS 'When the ledger knew it.';
COMMENT ON COLUMN @m@fact_transfer.event_time IS 'When it happened, as the event states; NULL where it states none (event_date_key is then the ledger''s).';
COMMENT ON COLUMN @m@fact_transfer.amount IS 'Rupiah, two decimals, exact.';
COMMENT ON COLUMN @m@fact_transfer.packages IS 'Purchases that moved with it.';
COMMENT ON COLUMN @m@fact_transfer.stated_region_key IS 'As the document states; an institution''s own region goes before it (view spend).';
COMMENT ON COLUMN @m@fact_transfer.stated_scale_key IS 'As the document states; dim_vendor_scale goes before it (view spend).';
COMMENT ON TABLE @m@fact_purchase IS 'One row for each purchase as it stands: an accumulating snapshot, with the first date in each stage.';
COMMENT ON TABLE @m@fact_month IS 'Balances of each account by order month, institution, region, catalogue kind and origin.';
COMMENT ON TABLE @m@fact_finding IS 'Contradictions and red flags, with the entry that raised each.';
COMMENT ON TABLE @m@dim_account IS 'Stages of a purchase, paid, and the two counter accounts; with the measures that each counts in.';
COMMENT ON TABLE @m@dim_scale IS 'Size classes of vendors: is_umkk is what the 40 % rule counts.';
COMMENT ON TABLE @m@dim_origin IS 'Where goods come from: domestic is PDN as the source counts it.';
COMMENT ON TABLE @m@dim_catalogue_kind IS 'Local, sectoral or national catalogue.';
COMMENT ON TABLE @m@dim_component IS 'Goods, shipping, tax, or what the lines leave unallocated.';
COMMENT ON TABLE @m@dim_kind IS 'Kinds of events.';
COMMENT ON TABLE @m@dim_date IS 'Days: of the event, of the order, and on which it was known. 0 is unknown.';
COMMENT ON TABLE @m@dim_system IS 'Where a purchase was made.';
COMMENT ON TABLE @m@dim_method IS 'How it was bought.';
COMMENT ON TABLE @m@dim_funding IS 'Sources of funds, the set of a purchase as one text.';
COMMENT ON TABLE @m@dim_feed IS 'Who told us.';
COMMENT ON TABLE @m@dim_region IS 'Kemendagri codes: region_key 6310 is 63.10.';
COMMENT ON TABLE @m@dim_institution IS 'Buyers (KLPD); region_key is what the facts state at the mart''s cut.';
COMMENT ON TABLE @m@dim_satker IS 'Work units of institutions.';
COMMENT ON TABLE @m@dim_vendor IS 'Vendors, one row each; their scale through time is in dim_vendor_scale.';
COMMENT ON TABLE @m@dim_vendor_scale IS 'Scale of a vendor for orders from valid_from until before valid_until (a slowly changing dimension, type 2).';
COMMENT ON TABLE @m@dim_commodity IS 'Commodities and their groups.';
COMMENT ON TABLE @m@dim_checkpoint IS 'Signed sizes and roots of the ledger''s partitions, the newest hundred at each step.';

-- section: reader
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bi_reader') THEN CREATE ROLE bi_reader NOLOGIN; END IF;
END $$;
GRANT USAGE ON SCHEMA mart TO bi_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA mart TO bi_reader;
