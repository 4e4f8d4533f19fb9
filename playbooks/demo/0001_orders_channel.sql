-- Where an order came from. Nullable first: blue cannot send it, and need not.
ALTER TABLE shop.orders ADD COLUMN channel text;
