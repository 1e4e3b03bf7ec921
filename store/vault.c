#include "vault.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* With these algorithms and lengths OpenSSL fails for want of memory only. */
static void openssl_must(bool is_done)
{
    if (!is_done)
        memory_fail();
}

/* How a profile's sealed text lies: iv, text, then the tag of GCM or the MAC. */
static const struct {
    const char *cipher, *digest;
    size_t iv, tag;
} profiles[] = {
    [VAULT_INTERNATIONAL] = {"AES-256-GCM", "SHA256", 12, 16},
    [VAULT_STATE] = {"SM4-CTR", "SM3", 16, 32},
};

void hex_encode(const uint8_t *bytes, size_t len, char *text)
{
    for (size_t i = 0; i < len; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

bool hex_decode(const char *text, size_t len, uint8_t *bytes)
{
    for (size_t i = 0; i < len; i++) {
        int digit = text[i] >= '0' && text[i] <= '9'   ? text[i] - '0'
                    : text[i] >= 'a' && text[i] <= 'f' ? text[i] - 'a' + 10
                    : text[i] >= 'A' && text[i] <= 'F' ? text[i] - 'A' + 10
                                                       : -1;
        if (digit < 0)
            return false;
        bytes[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : bytes[i / 2] | digit);
    }
    return true;
}

void vault_random(void *bytes, size_t len)
{
    openssl_must(RAND_bytes(bytes, (int)len) == 1);
}

bool vault_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

/* RFC 5869, without salt. */
static void derive(enum vault_profile profile, const uint8_t *key, const char *label, uint8_t *out, size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)profiles[profile].digest, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key, 32),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)label, strlen(label)),
        OSSL_PARAM_END};
    openssl_must(context != NULL && EVP_KDF_derive(context, out, len, parameters) == 1);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
}

static void mac_with(enum vault_profile profile, const uint8_t *key, size_t key_len, const struct piece *pieces,
                     int count, uint8_t mac[DIGEST_BYTES])
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(hmac);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)profiles[profile].digest, 0),
        OSSL_PARAM_END};
    size_t len = 0;
    openssl_must(context != NULL && EVP_MAC_init(context, key, key_len, parameters) == 1);
    for (int i = 0; i < count; i++)
        openssl_must(EVP_MAC_update(context, pieces[i].bytes, pieces[i].len) == 1);
    openssl_must(EVP_MAC_final(context, mac, &len, DIGEST_BYTES) == 1 && len == DIGEST_BYTES);
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(hmac);
}

static void mac_of(enum vault_profile profile, const uint8_t key[32], const struct piece *pieces, int count,
                   uint8_t mac[DIGEST_BYTES])
{
    mac_with(profile, key, 32, pieces, count, mac);
}

void vault_hmac(const void *key, size_t key_len, const struct piece *pieces, int count, uint8_t mac[DIGEST_BYTES])
{
    mac_with(VAULT_INTERNATIONAL, key, key_len, pieces, count, mac);
}

struct vault_mac {
    EVP_MAC_CTX *context;
    uint8_t key[32];
    size_t key_bytes;
};

struct vault_mac *vault_mac_new(const struct vault *vault)
{
    bool is_state = vault->profile == VAULT_STATE;
    struct vault_mac *m = must_alloc(1, sizeof *m);
    EVP_MAC *kind = EVP_MAC_fetch(NULL, is_state ? "HMAC" : "SIPHASH", NULL);
    OSSL_PARAM digest[] = {OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)"SM3", 0), OSSL_PARAM_END};
    m->context = EVP_MAC_CTX_new(kind);
    m->key_bytes = is_state ? 32 : 16; /* what SipHash takes */
    memcpy(m->key, vault->row_key, sizeof m->key);
    openssl_must(m->context != NULL && EVP_MAC_init(m->context, m->key, m->key_bytes, is_state ? digest : NULL) == 1);
    EVP_MAC_free(kind);
    return m;
}

void vault_mac_free(struct vault_mac *m)
{
    if (m == NULL)
        return;
    EVP_MAC_CTX_free(m->context);
    OPENSSL_cleanse(m, sizeof *m);
    free(m);
}

uint64_t vault_mac(struct vault_mac *m, const void *bytes, size_t len)
{
    uint8_t mac[DIGEST_BYTES];
    uint64_t cut = 0;
    size_t size = 0;
    openssl_must(EVP_MAC_init(m->context, m->key, m->key_bytes, NULL) == 1 &&
                 EVP_MAC_update(m->context, bytes, len) == 1 &&
                 EVP_MAC_final(m->context, mac, &size, sizeof mac) == 1 && size >= sizeof cut);
    memcpy(&cut, mac, sizeof cut);
    return cut;
}

static int make_key(const char *path, struct failure *failure)
{
    uint8_t key[MASTER_KEY_BYTES];
    char text[MASTER_KEY_BYTES * 2 + 2];
    vault_random(key, sizeof key);
    hex_encode(key, sizeof key, text);
    text[MASTER_KEY_BYTES * 2] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    bool is_written = fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        close(fd);
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(text, sizeof text);
    return is_written ? 0 : failure_set(failure, EX_CANTCREAT, "master key %s: %s", path, strerror(error));
}

int vault_open(struct vault *vault, enum vault_profile profile, const char *path, bool may_make,
               struct failure *failure)
{
    char text[MASTER_KEY_BYTES * 2 + 8];
    uint8_t key[MASTER_KEY_BYTES];
    if (may_make && access(path, F_OK) != 0 && make_key(path, failure) != 0)
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return failure_set(failure, EX_NOINPUT, "master key %s: %s (--master-key names its file)", path, strerror(errno));
    ssize_t len = read(fd, text, sizeof text);
    close(fd);
    bool is_good = len == MASTER_KEY_BYTES;
    if (is_good)
        memcpy(key, text, sizeof key);
    else
        is_good = len >= MASTER_KEY_BYTES * 2 && len <= MASTER_KEY_BYTES * 2 + 1 &&
                  hex_decode(text, sizeof key * 2, key);
    OPENSSL_cleanse(text, sizeof text);
    if (!is_good)
        return failure_set(failure, EX_CONFIG, "master key %s: must hold 32 bytes, or 64 hexadecimal digits", path);
    *vault = (struct vault){.profile = profile};
    derive(VAULT_INTERNATIONAL, key, "paidan wrap v1", vault->wrap_key, sizeof vault->wrap_key);
    derive(VAULT_INTERNATIONAL, key, "paidan index v1", vault->index_key, sizeof vault->index_key);
    derive(VAULT_INTERNATIONAL, key, "paidan sign v1", vault->sign_seed, sizeof vault->sign_seed);
    derive(VAULT_INTERNATIONAL, key, "paidan row v1", vault->row_key, sizeof vault->row_key);
    OPENSSL_cleanse(key, sizeof key);
    return 0;
}

void vault_close(struct vault *vault)
{
    OPENSSL_cleanse(vault, sizeof *vault);
}

/* Text of `len` bytes through the profile's cipher; with GCM the tag comes from or goes to `tag`. */
static bool cipher(enum vault_profile profile, bool encrypts, const uint8_t key[32], const uint8_t *iv,
                   const struct piece *context, const uint8_t *in, size_t len, uint8_t *out, uint8_t *tag)
{
    EVP_CIPHER *which = EVP_CIPHER_fetch(NULL, profiles[profile].cipher, NULL);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool is_gcm = profile == VAULT_INTERNATIONAL;
    int done = 0;
    int rest = 0;
    bool is_good = c != NULL && EVP_CipherInit_ex2(c, which, key, iv, encrypts, NULL) == 1;
    if (is_good && is_gcm)
        is_good = EVP_CipherUpdate(c, NULL, &done, context->bytes, (int)context->len) == 1 &&
                  (encrypts || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, (int)profiles[profile].tag, tag) == 1);
    is_good = is_good && EVP_CipherUpdate(c, out, &done, in, (int)len) == 1 &&
              EVP_CipherFinal_ex(c, out + done, &rest) == 1;
    if (is_good && is_gcm && encrypts)
        is_good = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, (int)profiles[profile].tag, tag) == 1;
    EVP_CIPHER_CTX_free(c);
    EVP_CIPHER_free(which);
    return is_good;
}

/* iv, text, tag. Of a state-profile key 16 bytes go to SM4, and a MAC key is derived from it. */
static size_t seal_one(enum vault_profile profile, const uint8_t key[32], const struct piece *context,
                       const uint8_t *plain, size_t len, uint8_t *out)
{
    size_t iv = profiles[profile].iv;
    uint8_t *tag = out + iv + len;
    vault_random(out, iv);
    if (!cipher(profile, true, key, out, context, plain, len, out + iv, tag))
        return 0;
    if (profile == VAULT_STATE) {
        uint8_t mac_key[32];
        derive(profile, key, "paidan mac v1", mac_key, sizeof mac_key);
        mac_of(profile, mac_key, (struct piece[]){*context, {out, iv + len}}, 2, tag);
    }
    return iv + len + profiles[profile].tag;
}

static ptrdiff_t unseal_one(enum vault_profile profile, const uint8_t key[32], const struct piece *context,
                            const uint8_t *sealed, size_t len, uint8_t *out)
{
    size_t iv = profiles[profile].iv;
    uint8_t tag[DIGEST_BYTES];
    if (len < iv + profiles[profile].tag)
        return -1;
    size_t text = len - iv - profiles[profile].tag;
    memcpy(tag, sealed + iv + text, profiles[profile].tag);
    if (profile == VAULT_STATE) { /* verified before anything is decrypted */
        uint8_t mac_key[32];
        uint8_t mac[DIGEST_BYTES];
        derive(profile, key, "paidan mac v1", mac_key, sizeof mac_key);
        mac_of(profile, mac_key, (struct piece[]){*context, {sealed, iv + text}}, 2, mac);
        if (!vault_equal(mac, tag, sizeof mac))
            return -1;
    }
    return cipher(profile, false, key, sealed, context, sealed + iv, text, out, tag) ? (ptrdiff_t)text : -1;
}

size_t vault_seal(const struct vault *v, uint64_t row, const void *plain, size_t len, uint8_t *sealed)
{
    uint8_t key[32];
    uint8_t bound[9] = {(uint8_t)v->profile};
    for (int i = 0; i < 8; i++)
        bound[1 + i] = (uint8_t)(row >> (8 * i));
    struct piece context = {bound, sizeof bound};
    vault_random(key, sizeof key);
    sealed[0] = (uint8_t)v->profile;
    size_t wrapped = seal_one(v->profile, v->wrap_key, &context, key, sizeof key, sealed + 1);
    size_t text = wrapped != 0 ? seal_one(v->profile, key, &context, plain, len, sealed + 1 + wrapped) : 0;
    OPENSSL_cleanse(key, sizeof key);
    return text != 0 ? 1 + wrapped + text : 0;
}

ptrdiff_t vault_unseal(const struct vault *v, uint64_t row, const uint8_t *sealed, size_t len, void *plain)
{
    uint8_t key[32];
    uint8_t bound[9] = {0};
    if (len < 1 || (sealed[0] != VAULT_INTERNATIONAL && sealed[0] != VAULT_STATE))
        return -1;
    enum vault_profile profile = (enum vault_profile)sealed[0];
    size_t wrapped = profiles[profile].iv + sizeof key + profiles[profile].tag;
    bound[0] = sealed[0];
    for (int i = 0; i < 8; i++)
        bound[1 + i] = (uint8_t)(row >> (8 * i));
    struct piece context = {bound, sizeof bound};
    if (len < 1 + wrapped || unseal_one(profile, v->wrap_key, &context, sealed + 1, wrapped, key) != sizeof key)
        return -1;
    ptrdiff_t text = unseal_one(profile, key, &context, sealed + 1 + wrapped, len - 1 - wrapped, plain);
    OPENSSL_cleanse(key, sizeof key);
    return text;
}

void vault_index(const struct vault *v, const char *phone, uint8_t digest[DIGEST_BYTES])
{
    char digits[32];
    size_t len = 0;
    for (; *phone != '\0' && len < sizeof digits; phone++)
        if (*phone >= '0' && *phone <= '9')
            digits[len++] = *phone;
    /* cppcheck-suppress uninitvar ; all thirteen are filled then */
    size_t skip = len == 13 && strncmp(digits, "86", 2) == 0 ? 2 : 0; /* +86 and a mobile's eleven digits */
    mac_of(VAULT_INTERNATIONAL, v->index_key, (struct piece[]){{digits + skip, len - skip}}, 1, digest);
    OPENSSL_cleanse(digits, sizeof digits);
}

/* Fetched once, by whichever thread comes first. */
static EVP_MD *digest_kinds[VAULT_STATE + 1];
static pthread_once_t digests_fetched = PTHREAD_ONCE_INIT;

static void fetch_digests(void)
{
    for (int profile = VAULT_INTERNATIONAL; profile <= VAULT_STATE; profile++)
        digest_kinds[profile] = EVP_MD_fetch(NULL, profiles[profile].digest, NULL);
}

void vault_digest(enum vault_profile profile, const struct piece *pieces, int count, uint8_t digest[DIGEST_BYTES])
{
    pthread_once(&digests_fetched, fetch_digests);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    openssl_must(context != NULL && EVP_DigestInit_ex2(context, digest_kinds[profile], NULL) == 1);
    for (int i = 0; i < count; i++)
        openssl_must(EVP_DigestUpdate(context, pieces[i].bytes, pieces[i].len) == 1);
    openssl_must(EVP_DigestFinal_ex(context, digest, NULL) == 1);
    EVP_MD_CTX_free(context);
}

bool vault_digest_file(const char *path, uint8_t digest[DIGEST_BYTES])
{
    unsigned char bytes[65536];
    size_t got = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    openssl_must(context != NULL && EVP_DigestInit_ex2(context, EVP_sha256(), NULL) == 1);
    while ((got = fread(bytes, 1, sizeof bytes, file)) != 0)
        openssl_must(EVP_DigestUpdate(context, bytes, got) == 1);
    bool is_good = ferror(file) == 0;
    fclose(file);
    openssl_must(EVP_DigestFinal_ex(context, digest, NULL) == 1);
    EVP_MD_CTX_free(context);
    return is_good;
}

void vault_sign(const struct vault *v, const void *bytes, size_t len, uint8_t signature[SIGNATURE_BYTES])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, v->sign_seed, sizeof v->sign_seed);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = SIGNATURE_BYTES;
    openssl_must(key != NULL && context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
         EVP_DigestSign(context, signature, &size, bytes, len) == 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
}

void vault_public_key(const struct vault *v, uint8_t out[32])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, v->sign_seed, sizeof v->sign_seed);
    size_t size = 32;
    openssl_must(key != NULL && EVP_PKEY_get_raw_public_key(key, out, &size) == 1);
    EVP_PKEY_free(key);
}

bool vault_verify(const uint8_t public_key[32], const void *bytes, size_t len,
                  const uint8_t signature[SIGNATURE_BYTES])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, 32);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_good = key != NULL && context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                   EVP_DigestVerify(context, signature, SIGNATURE_BYTES, bytes, len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return is_good;
}
