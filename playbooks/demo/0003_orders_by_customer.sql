CREATE INDEX CONCURRENTLY orders_by_customer_and_date
    ON shop.orders (customer_id, placed_at);
