#include "photonics/random_sequence.hpp"

#include <cmath>
#include <numbers>

#include "photonics/random_plan.hpp"

namespace attojoule::photonics {

RandomSequence::RandomSequence(const RandomStream& stream, std::uint64_t element) {
  PhiloxCounter address = philox_counter(stream, static_cast<std::uint32_t>(element));
  address[2] |= 0x80000000u;  // noise domains stay below 128
  const PhiloxCounter derived = philox4x32(address, philox_key(stream));
  key_ = {derived[0], derived[1]};
  counter_ = {0, static_cast<std::uint32_t>(element >> 32), derived[2], derived[3]};
}

std::uint64_t RandomSequence::bits() {
  if (words_left_ == 0) {
    words_ = philox4x32(counter_, key_);
    // After 2^32 blocks the carry goes into the next word, which is fixed otherwise.
    if (++counter_[0] == 0) ++counter_[1];
    words_left_ = 4;
  }
  const std::uint64_t high = words_[static_cast<std::size_t>(4 - words_left_)];
  const std::uint64_t low = words_[static_cast<std::size_t>(5 - words_left_)];
  words_left_ -= 2;
  return high << 32 | low;
}

double RandomSequence::uniform() {
  return (static_cast<double>(bits() >> 12) + 0.5) * 0x1p-52;
}

double RandomSequence::normal() {
  if (has_second_normal_) {
    has_second_normal_ = false;
    return second_normal_;
  }
  const double radius = std::sqrt(-2 * std::log(uniform()));
  const double angle = 2 * std::numbers::pi * uniform();
  second_normal_ = radius * std::sin(angle);
  has_second_normal_ = true;
  return radius * std::cos(angle);
}

}  // namespace attojoule::photonics
