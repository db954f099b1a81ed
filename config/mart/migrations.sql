-- From one version of the mart's schema in PostgreSQL to the next. Section N makes version N out of N - 1; section `N live` goes with it where
-- the first load is done, for what stands in the constraints of postgres.sql. All steps that a mart needs run in one transaction, which then
-- replaces the views by those of schema.sql. A section is never changed once a version of the program has it.

-- section: 2
-- The scale as the document states it, beside the one in force: only a column of the views.

-- section: 2 live
CREATE INDEX fact_transfer_event_date ON @m@fact_transfer (event_date_key);
