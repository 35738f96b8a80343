#include "runtime/io/hash.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <vector>

#include "runtime/io/file.h"

namespace rela {
namespace {

// First 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS
// 180-4, 4.2.2).
constexpr std::array<uint32_t, 64> kRound{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

uint32_t load_big_endian(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

std::string hex_digits(uint64_t value, int digits) {
  std::string text(static_cast<size_t>(digits), '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, value >>= 4) {
    *digit = "0123456789abcdef"[value & 15u];
  }
  return text;
}

}  // namespace

void ContentHash::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

ContentHash::ContentHash() : state_(XXH3_createState()) {
  if (!state_) throw std::bad_alloc();
  XXH3_64bits_reset(state_.get());
}

void ContentHash::update(const void* data, int64_t bytes) {
  XXH3_64bits_update(state_.get(), data, static_cast<size_t>(bytes));
}

uint64_t ContentHash::digest() const { return XXH3_64bits_digest(state_.get()); }

uint64_t content_hash(const void* data, int64_t bytes) {
  return XXH3_64bits(data, static_cast<size_t>(bytes));
}

void Sha256::update(const void* data, int64_t bytes) {
  const auto* p = static_cast<const uint8_t*>(data);
  while (bytes > 0) {
    const auto filled = static_cast<int64_t>(total_bytes_ % 64);
    const int64_t take = std::min(bytes, 64 - filled);
    std::memcpy(pending_.data() + filled, p, static_cast<size_t>(take));
    total_bytes_ += static_cast<uint64_t>(take);
    if (filled + take == 64) add_block(pending_.data());
    p += take;
    bytes -= take;
  }
}

void Sha256::add_block(const uint8_t* block) {
  std::array<uint32_t, 64> w;
  for (size_t t = 0; t < 16; ++t) w[t] = load_big_endian(block + 4 * t);
  for (size_t t = 16; t < 64; ++t) {
    const uint32_t s0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ (w[t - 15] >> 3);
    const uint32_t s1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ (w[t - 2] >> 10);
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (size_t t = 0; t < 64; ++t) {
    const uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRound[t] + w[t];
    const uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const std::array<uint32_t, 8> sum{a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < 8; ++i) state_[i] += sum[i];
}

std::string Sha256::hex() const {
  Sha256 last = *this;
  const uint64_t bits = total_bytes_ * 8;
  // A one bit, zeros up to 8 bytes before the end of a block, then the length in bits.
  std::array<uint8_t, 72> padding{0x80};
  const uint64_t zeros_end = (total_bytes_ % 64 < 56 ? 56 : 120) - total_bytes_ % 64;
  for (size_t i = 0; i < 8; ++i) {
    padding[zeros_end + i] = static_cast<uint8_t>(bits >> (56 - 8 * i));
  }
  last.update(padding.data(), static_cast<int64_t>(zeros_end + 8));
  std::string text;
  for (const uint32_t word : last.state_) text += hex_digits(word, 8);
  return text;
}

std::string sha256_file(const std::string& path) {
  const InputFile file(path);
  Sha256 hash;
  std::vector<uint8_t> piece(static_cast<size_t>(std::min<int64_t>(file.size(), 1 << 20)));
  for (int64_t offset = 0; offset < file.size();) {
    const int64_t bytes = std::min(file.size() - offset, static_cast<int64_t>(piece.size()));
    file.read_at(offset, piece.data(), bytes);
    hash.update(piece.data(), bytes);
    offset += bytes;
  }
  return hash.hex();
}

std::string to_hex(uint64_t value) { return hex_digits(value, 16); }

}  // namespace rela
