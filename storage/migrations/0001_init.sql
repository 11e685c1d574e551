-- One text for SQLite and PostgreSQL. Ids are TEXT made in Go, times are BIGINT
-- microseconds since 1970 (0 = never), lists and maps are JSON in TEXT. A column
-- may be added later, never renamed or dropped while a release that reads it runs.

-- +goose Up
CREATE TABLE accounts (
    id                  TEXT    NOT NULL PRIMARY KEY,
    user_id             TEXT    NOT NULL,
    user_id_folded      TEXT    NOT NULL UNIQUE,
    password_hash       TEXT    NOT NULL,
    password_changed_at BIGINT  NOT NULL,
    status              TEXT    NOT NULL CHECK (status IN ('active', 'locked', 'disabled')),
    locale              TEXT    NOT NULL,
    profile             TEXT    NOT NULL,
    created_at          BIGINT  NOT NULL,
    updated_at          BIGINT  NOT NULL
);

CREATE TABLE factors (
    id           TEXT    NOT NULL PRIMARY KEY,
    account_id   TEXT    NOT NULL REFERENCES accounts (id),
    kind         TEXT    NOT NULL CHECK (kind IN ('totp')),
    name         TEXT    NOT NULL,
    secret       BYTEA   NOT NULL,
    last_step    BIGINT  NOT NULL,
    confirmed    BOOLEAN NOT NULL,
    created_at   BIGINT  NOT NULL,
    last_used_at BIGINT  NOT NULL
);
CREATE INDEX factors_account ON factors (account_id);

CREATE TABLE consents (
    account_id TEXT   NOT NULL REFERENCES accounts (id),
    client_id  TEXT   NOT NULL,
    scopes     TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id)
);

CREATE TABLE lanes (
    lane_key   TEXT    NOT NULL PRIMARY KEY,
    subject    TEXT    NOT NULL,
    failures   BIGINT  NOT NULL,
    total      BIGINT  NOT NULL,
    locks      BIGINT  NOT NULL,
    first_at   BIGINT  NOT NULL,
    until_at   BIGINT  NOT NULL,
    hard       BOOLEAN NOT NULL,
    version    BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL
);
CREATE INDEX lanes_subject ON lanes (subject);
CREATE INDEX lanes_expires ON lanes (expires_at) WHERE NOT hard;

CREATE TABLE known_devices (
    token_hash TEXT   NOT NULL,
    account_id TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (token_hash, account_id)
);
CREATE INDEX known_devices_account ON known_devices (account_id);
CREATE INDEX known_devices_expires ON known_devices (expires_at);

CREATE TABLE signins (
    id         TEXT   NOT NULL PRIMARY KEY,
    browser    TEXT   NOT NULL,
    account_id TEXT   NOT NULL, -- of the proof within data, '' before it
    data       TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX signins_browser ON signins (browser);
CREATE INDEX signins_account ON signins (account_id) WHERE account_id <> '';
CREATE INDEX signins_expires ON signins (expires_at);

CREATE TABLE sessions (
    id           TEXT   NOT NULL PRIMARY KEY,
    sid          TEXT   NOT NULL,
    account_id   TEXT   NOT NULL,
    amr          TEXT   NOT NULL,
    auth_time    BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    address      TEXT   NOT NULL,
    user_agent   TEXT   NOT NULL
);
CREATE INDEX sessions_account ON sessions (account_id);
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE clients (
    id                        TEXT    NOT NULL PRIMARY KEY,
    name                      TEXT    NOT NULL,
    type                      TEXT    NOT NULL CHECK (type IN ('web', 'spa', 'native', 'service')),
    auth_method               TEXT    NOT NULL CHECK (auth_method IN ('client_secret_basic', 'client_secret_post', 'none')),
    redirect_uris             TEXT    NOT NULL,
    post_logout_redirect_uris TEXT    NOT NULL,
    grant_types               TEXT    NOT NULL,
    scopes                    TEXT    NOT NULL,
    first_party               BOOLEAN NOT NULL,
    min_acr                   TEXT    NOT NULL,
    id_token_alg              TEXT    NOT NULL CHECK (id_token_alg IN ('', 'ES256', 'RS256')),
    initiate_login_uri        TEXT    NOT NULL,
    disabled                  BOOLEAN NOT NULL,
    version                   BIGINT  NOT NULL,
    secret_hash               BYTEA,
    previous_hash             BYTEA,
    previous_expires_at       BIGINT  NOT NULL,
    created_at                BIGINT  NOT NULL,
    updated_at                BIGINT  NOT NULL
);

CREATE TABLE signing_keys (
    id           TEXT   NOT NULL PRIMARY KEY,
    algorithm    TEXT   NOT NULL CHECK (algorithm IN ('ES256', 'RS256')),
    state        TEXT   NOT NULL CHECK (state IN ('next', 'current', 'previous')),
    private      BYTEA  NOT NULL,
    created_at   BIGINT NOT NULL,
    activated_at BIGINT NOT NULL,
    retired_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX signing_keys_one_next ON signing_keys (algorithm) WHERE state = 'next';
CREATE UNIQUE INDEX signing_keys_one_current ON signing_keys (algorithm) WHERE state = 'current';

-- Counts the changes of what servers keep in memory, so that each notices the
-- changes of the others.
CREATE TABLE revisions (
    name TEXT   NOT NULL PRIMARY KEY,
    n    BIGINT NOT NULL
);

CREATE TABLE codes (
    hash             TEXT   NOT NULL PRIMARY KEY,
    grant_id         TEXT   NOT NULL,
    account_id       TEXT   NOT NULL,
    client_id        TEXT   NOT NULL,
    sid              TEXT   NOT NULL,
    scopes           TEXT   NOT NULL,
    audience         TEXT   NOT NULL,
    amr              TEXT   NOT NULL,
    auth_time        BIGINT NOT NULL,
    grant_created_at BIGINT NOT NULL,
    grant_expires_at BIGINT NOT NULL,
    redirect_uri     TEXT   NOT NULL,
    nonce            TEXT   NOT NULL, -- as JSON: it holds whatever the client chose
    challenge        TEXT   NOT NULL, -- as JSON, likewise
    expires_at       BIGINT NOT NULL,
    used_at          BIGINT NOT NULL
);
CREATE INDEX codes_expires ON codes (expires_at);

CREATE TABLE grants (
    id                 TEXT    NOT NULL PRIMARY KEY,
    account_id         TEXT    NOT NULL,
    client_id          TEXT    NOT NULL,
    sid                TEXT    NOT NULL,
    scopes             TEXT    NOT NULL,
    audience           TEXT    NOT NULL,
    amr                TEXT    NOT NULL,
    offline            BOOLEAN NOT NULL, -- scopes hold offline_access: outlives its session
    auth_time          BIGINT  NOT NULL,
    created_at         BIGINT  NOT NULL,
    expires_at         BIGINT  NOT NULL,
    revoked_at         BIGINT  NOT NULL,
    refresh_hash       TEXT    NOT NULL,
    refresh_previous   TEXT    NOT NULL,
    refresh_rotated_at BIGINT  NOT NULL,
    refresh_expires_at BIGINT  NOT NULL
);
CREATE INDEX grants_account ON grants (account_id);
CREATE INDEX grants_sid ON grants (sid);
CREATE INDEX grants_expires ON grants (expires_at);

CREATE TABLE access_tokens (
    hash       TEXT   NOT NULL PRIMARY KEY,
    grant_id   TEXT   NOT NULL,
    account_id TEXT   NOT NULL,
    client_id  TEXT   NOT NULL,
    scopes     TEXT   NOT NULL,
    audience   TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);
CREATE INDEX access_tokens_expires ON access_tokens (expires_at);

CREATE TABLE audit (
    id         TEXT   NOT NULL PRIMARY KEY, -- UUIDv7: sorts by time
    at         BIGINT NOT NULL,
    action     TEXT   NOT NULL,
    outcome    TEXT   NOT NULL CHECK (outcome IN ('ok', 'refused')),
    actor      TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    client_id  TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    method     TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    detail     TEXT   NOT NULL
);
CREATE INDEX audit_subject ON audit (subject, id);
CREATE INDEX audit_client ON audit (client_id, id);
