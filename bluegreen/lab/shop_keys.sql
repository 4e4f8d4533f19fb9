-- What comes after the rows, because it is quicker then: indexes, foreign keys,
-- triggers. On green the apply worker fires no trigger, so no event is written twice.

CREATE UNIQUE INDEX customers_email ON shop.customers (lower(email));
CREATE UNIQUE INDEX products_sku ON shop.products (sku);
CREATE INDEX orders_customer ON shop.orders (customer_id, placed_at DESC);
CREATE INDEX orders_open ON shop.orders (placed_at) WHERE state IN ('open', 'paid');
CREATE UNIQUE INDEX payments_receipt ON shop.payments (receipt);
CREATE INDEX payments_order ON shop.payments (order_id);

ALTER TABLE shop.orders
    ADD CONSTRAINT orders_customer_fkey
    FOREIGN KEY (customer_id) REFERENCES shop.customers (id);
ALTER TABLE shop.order_items
    ADD CONSTRAINT order_items_order_fkey
    FOREIGN KEY (order_id) REFERENCES shop.orders (id) ON DELETE CASCADE,
    ADD CONSTRAINT order_items_product_fkey
    FOREIGN KEY (product_id) REFERENCES shop.products (id);
ALTER TABLE shop.payments
    ADD CONSTRAINT payments_order_fkey
    FOREIGN KEY (order_id) REFERENCES shop.orders (id);

CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;

CREATE FUNCTION shop.note_order() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO shop.events (kind, body)
    VALUES ('order_placed', jsonb_build_object('order', NEW.id));
    RETURN NULL;
END $$;

CREATE TRIGGER touch BEFORE UPDATE ON shop.orders
    FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE TRIGGER note_order AFTER INSERT ON shop.orders
    FOR EACH ROW EXECUTE FUNCTION shop.note_order();

GRANT USAGE ON SCHEMA shop TO PUBLIC;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA shop TO PUBLIC;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA shop TO PUBLIC;
