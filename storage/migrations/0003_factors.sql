-- Passkeys, codes by SMS and e-mail, recovery codes, trusted devices, and what goes
-- with them. The table of factors is built anew, because its list of kinds grows and
-- SQLite cannot change a CHECK.

-- +goose Up
CREATE TABLE factors_of_all_kinds (
    id           TEXT    NOT NULL PRIMARY KEY,
    account_id   TEXT    NOT NULL REFERENCES accounts (id),
    kind         TEXT    NOT NULL CHECK (kind IN ('totp', 'passkey', 'sms', 'email', 'recovery')),
    name         TEXT    NOT NULL,
    secret       BYTEA   NOT NULL,
    last_step    BIGINT  NOT NULL, -- of a passkey its signature counter
    confirmed    BOOLEAN NOT NULL,
    created_at   BIGINT  NOT NULL,
    last_used_at BIGINT  NOT NULL,
    credential   TEXT    NOT NULL DEFAULT '',    -- of a passkey: its credential id, base64url
    passkey      TEXT    NOT NULL DEFAULT 'null' -- of a passkey: its public half, as JSON
);
INSERT INTO factors_of_all_kinds (id, account_id, kind, name, secret, last_step, confirmed, created_at, last_used_at)
    SELECT id, account_id, kind, name, secret, last_step, confirmed, created_at, last_used_at FROM factors;
DROP TABLE factors;
ALTER TABLE factors_of_all_kinds RENAME TO factors;
CREATE INDEX factors_account ON factors (account_id);
CREATE UNIQUE INDEX factors_credential ON factors (credential) WHERE credential <> '';
CREATE UNIQUE INDEX factors_one ON factors (account_id, kind) WHERE kind IN ('sms', 'email', 'recovery');

CREATE TABLE recovery_codes (
    id         TEXT   NOT NULL PRIMARY KEY,
    account_id TEXT   NOT NULL,
    mac        BYTEA  NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX recovery_codes_account ON recovery_codes (account_id);

-- A question that somebody has not answered yet: one a subject and purpose.
CREATE TABLE challenges (
    subject    TEXT   NOT NULL,
    purpose    TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    data       TEXT   NOT NULL,
    tries      BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (subject, purpose)
);
CREATE INDEX challenges_expires ON challenges (expires_at);

CREATE TABLE trusted_devices (
    id           TEXT   NOT NULL PRIMARY KEY,
    token_hash   TEXT   NOT NULL,
    account_id   TEXT   NOT NULL,
    user_agent   TEXT   NOT NULL,
    address      TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX trusted_devices_token ON trusted_devices (token_hash, account_id);
CREATE INDEX trusted_devices_account ON trusted_devices (account_id);
CREATE INDEX trusted_devices_expires ON trusted_devices (expires_at);

-- How many of something since started_at. The key is a keyed hash.
CREATE TABLE rates (
    rate_key   TEXT   NOT NULL PRIMARY KEY,
    n          BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX rates_expires ON rates (expires_at);

ALTER TABLE messages ADD COLUMN channel TEXT NOT NULL DEFAULT 'mail';
ALTER TABLE messages ADD COLUMN recipient TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN urgency BIGINT NOT NULL DEFAULT 1; -- 0 = codes, 1 = notices
CREATE INDEX messages_queue ON messages (channel, urgency, due_at);

ALTER TABLE accounts ADD COLUMN email_changed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN phone_changed_at BIGINT NOT NULL DEFAULT 0;

ALTER TABLE clients ADD COLUMN second_factor TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN factors TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN default_max_age BIGINT NOT NULL DEFAULT -1;
ALTER TABLE clients ADD COLUMN purpose TEXT NOT NULL DEFAULT '{}';

-- The acr that was asserted; '' = as amr adds up.
ALTER TABLE codes ADD COLUMN acr TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN acr TEXT NOT NULL DEFAULT '';

ALTER TABLE audit ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
