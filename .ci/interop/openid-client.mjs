// A relying party on openid-client. It is told what to use on the first line of its
// input, prints where the browser shall go, reads where the browser was sent, and
// checks every step. The test that runs it plays the browser.
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { createInterface } from 'node:readline'

globalThis.crypto ??= webcrypto // Node 18 keeps it to itself
const client = await import('openid-client')

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const receive = async () => JSON.parse((await lines.next()).value)
const send = (message) => console.log(JSON.stringify(message))

let done = 0
const check = async (what, run) => {
  try {
    const result = await run()
    done++
    return result
  } catch (error) {
    console.error(`${what}:`, error, error?.cause ?? '')
    process.exit(1)
  }
}

const given = await receive()
const config = await check('discovery', () => client.discovery(
  new URL(given.issuer),
  given.client_id,
  { id_token_signed_response_alg: given.algorithm },
  client.ClientSecretBasic(given.client_secret),
  { execute: [client.allowInsecureRequests] },
))
client.enableNonRepudiationChecks(config) // verify signatures also of tokens that came straight from the issuer

const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const expectedNonce = client.randomNonce()
send({
  authorize: client.buildAuthorizationUrl(config, {
    redirect_uri: given.redirect_uri,
    scope: 'openid profile email offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
  }).href,
})

const callback = new URL((await receive()).callback)
const tokens = await check('authorizationCodeGrant', () => client.authorizationCodeGrant(
  config, callback, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true },
))
const claims = tokens.claims()
await check('ID token', () => {
  const header = JSON.parse(Buffer.from(tokens.id_token.split('.')[0], 'base64url'))
  assert.equal(header.alg, given.algorithm)
  assert.ok(claims.sub && claims.auth_time && claims.at_hash)
  assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa'])
})
await check('fetchUserInfo', async () => {
  const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  assert.equal(info.email, 'karin@example.com')
})
const refreshed = await check('refreshTokenGrant', () => client.refreshTokenGrant(config, tokens.refresh_token))
await check('rotation', () => {
  assert.notEqual(refreshed.refresh_token, tokens.refresh_token)
  assert.notEqual(refreshed.access_token, tokens.access_token)
  assert.equal(refreshed.claims().sub, claims.sub)
})
await check('tokenIntrospection', async () => {
  const answer = await client.tokenIntrospection(config, refreshed.access_token)
  assert.equal(answer.active, true)
  assert.equal(answer.sub, claims.sub)
  assert.equal(answer.client_id, given.client_id)
})
await check('tokenRevocation', async () => {
  await client.tokenRevocation(config, refreshed.refresh_token)
  assert.deepEqual(await client.tokenIntrospection(config, refreshed.access_token), { active: false })
})
await check('refresh after revocation', () => assert.rejects(
  client.refreshTokenGrant(config, refreshed.refresh_token), (error) => error.error === 'invalid_grant',
))
await check('code used twice', () => assert.rejects(
  client.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState, expectedNonce }), (error) => error.error === 'invalid_grant',
))
await check('clientCredentialsGrant', async () => {
  const own = await client.clientCredentialsGrant(config, { scope: given.api_scope })
  const [header, body] = own.access_token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')))
  assert.equal(header.typ, 'at+jwt')
  assert.deepEqual([body.aud].flat(), [given.api])
  assert.equal(body.scope, given.api_scope)
  assert.equal(own.refresh_token, undefined)
})
await check('wrong secret', async () => {
  const stranger = new client.Configuration(config.serverMetadata(), given.client_id, {}, client.ClientSecretBasic('wrong'))
  client.allowInsecureRequests(stranger)
  await assert.rejects(client.clientCredentialsGrant(stranger), (error) => error.status === 401 || error.cause?.status === 401)
})
const state = client.randomState()
await check('buildEndSessionUrl', () => send({
  end_session: client.buildEndSessionUrl(config, {
    post_logout_redirect_uri: given.post_logout_redirect_uri, id_token_hint: tokens.id_token, state,
  }).href,
  state,
}))
send({ done: String(done) })
process.exit(0)
