#include <Random123/philox.h>
#include <gtest/gtest.h>

#include <random>

// Random123 defines a macro of this name for its C interface.
#undef philox4x32

#include "photonics/philox.hpp"

namespace attojoule::photonics {
namespace {

// Known answers published with Random123 (kat_vectors, philox4x32 10).
static_assert(philox4x32({0, 0, 0, 0}, {0, 0}) ==
              PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                         {0xffffffff, 0xffffffff}) ==
              PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                         {0xa4093822, 0x299f31d0}) ==
              PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

TEST(Philox, AgreesWithRandom123OnRandomCounters) {
  std::independent_bits_engine<std::mt19937_64, 32, std::uint32_t> engine(20190520);
  for (int trial = 0; trial < 100000; ++trial) {
    r123::Philox4x32::ctr_type counter;
    r123::Philox4x32::key_type key;
    for (auto& word : counter) word = engine();
    for (auto& word : key) word = engine();
    const auto expected = r123::Philox4x32()(counter, key);
    const auto got = philox4x32({counter[0], counter[1], counter[2], counter[3]}, {key[0], key[1]});
    for (std::size_t i = 0; i < 4; ++i) ASSERT_EQ(got[i], expected[i]);
  }
}

TEST(Philox, AgreesWithRandom123WhereOneBitIsSet) {
  for (unsigned bit = 0; bit < 192; ++bit) {
    std::array<std::uint32_t, 6> words{};
    words[bit / 32] = 1u << bit % 32;
    const r123::Philox4x32::ctr_type counter = {{words[0], words[1], words[2], words[3]}};
    const r123::Philox4x32::key_type key = {{words[4], words[5]}};
    const auto expected = r123::Philox4x32()(counter, key);
    const auto got = philox4x32({words[0], words[1], words[2], words[3]}, {words[4], words[5]});
    for (std::size_t i = 0; i < 4; ++i) ASSERT_EQ(got[i], expected[i]) << "bit " << bit;
  }
}

}  // namespace
}  // namespace attojoule::photonics
