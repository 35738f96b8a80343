#pragma once
// Hashes of contents: XXH3 to notice a change, SHA-256 to name something for good.

#include <array>
#include <cstdint>
#include <memory>
#include <string>

struct XXH3_state_s;  // xxhash.h

namespace rela {

/// XXH3 (https://xxhash.com), 64 bits, fed in any number of pieces. Not cryptographic.
class ContentHash {
 public:
  ContentHash();
  void update(const void* data, int64_t bytes);
  /// Of everything fed so far; further updates may follow.
  uint64_t digest() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};
/// The same of one piece.
uint64_t content_hash(const void* data, int64_t bytes);

/// SHA-256 (FIPS 180-4), fed in any number of pieces.
class Sha256 {
 public:
  void update(const void* data, int64_t bytes);
  /// Lower-case hex of everything fed so far; further updates may follow.
  std::string hex() const;

 private:
  void add_block(const uint8_t* block);

  std::array<uint32_t, 8> state_{0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
  std::array<uint8_t, 64> pending_{};
  uint64_t total_bytes_ = 0;
};

/// SHA-256 of a file's contents. Throws IoError.
std::string sha256_file(const std::string& path);

/// 16 lower-case hex digits.
std::string to_hex(uint64_t value);

}  // namespace rela
