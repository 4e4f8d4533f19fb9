CREATE TABLE shop.vouchers (
    code text PRIMARY KEY,
    percent smallint NOT NULL CHECK (percent BETWEEN 1 AND 100)
);
