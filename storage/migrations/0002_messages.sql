-- The outbox: notices that still have to reach their owner.

-- +goose Up
CREATE TABLE messages (
    id         TEXT   NOT NULL PRIMARY KEY,
    account_id TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    data       TEXT   NOT NULL,
    attempts   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX messages_due ON messages (due_at);
CREATE INDEX messages_expires ON messages (expires_at);
