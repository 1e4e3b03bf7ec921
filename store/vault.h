/* vault.h -- cryptography of what lasts: personal data at rest, hashed tokens, the audit chain's hashes
 * and signatures. All of it is OpenSSL's; the key that everything hangs on is 32 bytes from a file or
 * from systemd's credentials, and the keys in use are derived from it by HKDF (RFC 5869).
 *
 * Two profiles: AES-256-GCM with SHA-256; and for deployments that must use state cryptography SM4-CTR,
 * then HMAC-SM3 over all of it, with SM3. A vault is not changed after vault_open(), so threads share it. */
#ifndef PAIDAN_VAULT_H
#define PAIDAN_VAULT_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base.h"
#include "failure.h"

#define DIGEST_BYTES 32
#define MASTER_KEY_BYTES 32
#define SIGNATURE_BYTES 64 /* Ed25519 */
/* What sealing adds: a wrapped key (iv, key, tag or MAC) and the same for the text. */
#define SEAL_BYTES_MAX 192

enum vault_profile { VAULT_INTERNATIONAL = 1, VAULT_STATE = 2 };

struct vault {
    enum vault_profile profile;
    uint8_t wrap_key[32], index_key[32], sign_seed[32], row_key[32];
};

/* Reads the master key from `path`: 32 bytes, or 64 hexadecimal digits. With `may_make` a file that is
 * not there is made, readable by its owner only. */
int vault_open(struct vault *vault, enum vault_profile profile, const char *path, bool may_make,
               struct failure *failure);
void vault_close(struct vault *vault); /* overwrites the keys */

/* Seals `len` bytes under a fresh key of their own, which is wrapped by the vault's, for one row and no
 * other: `context` is authenticated with them. `sealed` has room for len + SEAL_BYTES_MAX. The length,
 * or 0 when the library fails. */
size_t vault_seal(const struct vault *vault, uint64_t context, const void *plain, size_t len, uint8_t *sealed);
/* The other way; `plain` has room for len. The length, or -1: not sealed by this vault for this row, or
 * altered since. Rows of either profile are opened. */
ptrdiff_t vault_unseal(const struct vault *vault, uint64_t context, const uint8_t *sealed, size_t len, void *plain);

/* A keyed digest of a telephone number, so that it is found and not read. Digits alone count. */
void vault_index(const struct vault *vault, const char *phone, uint8_t digest[DIGEST_BYTES]);

/* A plain digest of several pieces: each goes in with its length. */
struct piece {
    const void *bytes;
    size_t len;
};
void vault_digest(enum vault_profile profile, const struct piece *pieces, int count,
                  uint8_t digest[DIGEST_BYTES]);
/* HMAC-SHA256 (RFC 2104) of the pieces, one after the other. */
void vault_hmac(const void *key, size_t key_len, const struct piece *pieces, int count, uint8_t mac[DIGEST_BYTES]);
/* 64 bits of a MAC over rows of state: SipHash-2-4, or HMAC-SM3 cut to them where state cryptography must
 * be used. Not shared between threads. */
struct vault_mac;
struct vault_mac *vault_mac_new(const struct vault *vault);
void vault_mac_free(struct vault_mac *mac); /* NULL is allowed */
uint64_t vault_mac(struct vault_mac *mac, const void *bytes, size_t len);
/* SHA-256 of a file, as sha256sum says it. False: it cannot be read. */
bool vault_digest_file(const char *path, uint8_t digest[DIGEST_BYTES]);
void vault_random(void *bytes, size_t len);
bool vault_equal(const void *a, const void *b, size_t len); /* in a time that does not tell where they differ */

/* Ed25519 (RFC 8032) with a key derived from the master key. */
void vault_sign(const struct vault *vault, const void *bytes, size_t len, uint8_t signature[SIGNATURE_BYTES]);
void vault_public_key(const struct vault *vault, uint8_t key[32]);
bool vault_verify(const uint8_t key[32], const void *bytes, size_t len, const uint8_t signature[SIGNATURE_BYTES]);

void hex_encode(const uint8_t *bytes, size_t len, char *text); /* 2 * len + 1 bytes */
bool hex_decode(const char *text, size_t len, uint8_t *bytes); /* len is even */

#endif
