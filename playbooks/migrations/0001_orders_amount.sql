-- Runs on green while blue serves on. This rewrites the table and holds an exclusive lock
-- as long as it takes: hours on blue under traffic, nobody's business on green.
ALTER TABLE public.orders ALTER COLUMN amount TYPE numeric(14, 4);

-- What only green has needs no mention in the playbook.
CREATE INDEX orders_created_at ON public.orders (created_at);
