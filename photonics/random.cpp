#include "photonics/random.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "photonics/random.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "photonics/random_simd.hpp"

HWY_BEFORE_NAMESPACE();
namespace attojoule::photonics::HWY_NAMESPACE {

// Whole groups, written straight to `out`.
void normal_groups(const RandomPlan& plan, std::uint64_t group, std::size_t groups, float* out) {
  const FloatTag d;
  NormalSequence sequence(plan, group * random_lanes_per_run);
  for (std::size_t g = 0; g < groups; ++g, out += random_group_size) {
    for (std::size_t l = 0; l < random_lanes_per_run; l += hn::Lanes(d)) {
      FloatVec z0, z1, z2, z3;
      sequence.next(plan, z0, z1, z2, z3);
      hn::StoreU(z0, d, out + l);
      hn::StoreU(z1, d, out + random_lanes_per_run + l);
      hn::StoreU(z2, d, out + 2 * random_lanes_per_run + l);
      hn::StoreU(z3, d, out + 3 * random_lanes_per_run + l);
    }
  }
}

void uniform_groups(const RandomPlan& plan, std::uint64_t group, std::size_t groups, float* out) {
  const FloatTag d;
  for (std::size_t g = 0; g < groups; ++g, out += random_group_size) {
    for (std::size_t l = 0; l < random_lanes_per_run; l += hn::Lanes(d)) {
      WordVec w0, w1, w2, w3;
      philox_blocks(plan, (group + g) * random_lanes_per_run + l, w0, w1, w2, w3);
      hn::StoreU(uniform_from_words(w0), d, out + l);
      hn::StoreU(uniform_from_words(w1), d, out + random_lanes_per_run + l);
      hn::StoreU(uniform_from_words(w2), d, out + 2 * random_lanes_per_run + l);
      hn::StoreU(uniform_from_words(w3), d, out + 3 * random_lanes_per_run + l);
    }
  }
}

// Loads a mean; one that is negative, infinite or not a number becomes 0 and clears `valid`.
HWY_INLINE FloatVec load_mean(const float* mean, hn::Mask<FloatTag>& valid) {
  const FloatTag d;
  const auto value = hn::LoadU(d, mean);
  const auto in_range =
      hn::And(hn::Ge(value, hn::Zero(d)), hn::Le(value, hn::Set(d, poisson_largest_mean)));
  valid = hn::And(valid, in_range);
  return hn::IfThenElseZero(in_range, value);
}

// Turns four runs of normal numbers at `normals` into counts at `out` (which may be the same).
HWY_INLINE void counts_of_group(const float* means, const float* normals, float* out,
                                hn::Mask<FloatTag>& valid) {
  const FloatTag d;
  constexpr std::size_t run = random_lanes_per_run;
  for (std::size_t l = 0; l < run; l += hn::Lanes(d)) {
    FloatVec z0 = hn::LoadU(d, normals + l);
    FloatVec z1 = hn::LoadU(d, normals + run + l);
    FloatVec z2 = hn::LoadU(d, normals + 2 * run + l);
    FloatVec z3 = hn::LoadU(d, normals + 3 * run + l);
    poisson_quantiles(load_mean(means + l, valid), load_mean(means + run + l, valid),
                      load_mean(means + 2 * run + l, valid), load_mean(means + 3 * run + l, valid),
                      z0, z1, z2, z3);
    hn::StoreU(z0, d, out + l);
    hn::StoreU(z1, d, out + run + l);
    hn::StoreU(z2, d, out + 2 * run + l);
    hn::StoreU(z3, d, out + 3 * run + l);
  }
}

// Whole groups; false where a mean is out of range.
bool poisson_groups(const RandomPlan& plan, std::uint64_t group, std::size_t groups,
                    const float* means, float* out) {
  const FloatTag d;
  auto valid = hn::Eq(hn::Zero(d), hn::Zero(d));
  for (std::size_t g = 0; g < groups; ++g, out += random_group_size, means += random_group_size) {
    normal_groups(plan, group + g, 1, out);
    counts_of_group(means, out, out, valid);
  }
  return hn::AllTrue(d, valid);
}

bool poisson_from_normal_groups(std::size_t groups, const float* means, const float* normals,
                                float* out) {
  const FloatTag d;
  auto valid = hn::Eq(hn::Zero(d), hn::Zero(d));
  for (std::size_t g = 0; g < groups; ++g) {
    const std::size_t at = g * random_group_size;
    counts_of_group(means + at, normals + at, out + at, valid);
  }
  return hn::AllTrue(d, valid);
}

}  // namespace attojoule::photonics::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <fmt/format.h>

#include <algorithm>

#include "photonics/error.hpp"

namespace attojoule::photonics {

namespace {

HWY_EXPORT(normal_groups);
HWY_EXPORT(uniform_groups);
HWY_EXPORT(poisson_groups);
HWY_EXPORT(poisson_from_normal_groups);

// Cuts a range into a partial group, whole groups and a partial group. `whole` is called with
// (group, number of groups, offset into the range), `part` with (group, first and last element
// inside the group, offset into the range).
template <class Whole, class Part>
void for_each_group(std::uint64_t first, std::size_t count, Whole whole, Part part) {
  std::size_t done = 0;
  if (const std::size_t begin = first % random_group_size; begin != 0 && count > 0) {
    const std::size_t end = std::min(random_group_size, begin + count);
    part(first / random_group_size, begin, end, std::size_t{0});
    done = end - begin;
  }
  if (const std::size_t groups = (count - done) / random_group_size; groups > 0) {
    whole((first + done) / random_group_size, groups, done);
    done += groups * random_group_size;
  }
  if (done < count) {
    part((first + done) / random_group_size, std::size_t{0}, count - done, done);
  }
}

using Tile = std::array<float, random_group_size>;

[[noreturn]] void report_bad_mean(std::span<const float> means) {
  const auto bad = std::find_if_not(means.begin(), means.end(), [](float mean) {
    return mean >= 0 && mean <= poisson_largest_mean;
  });
  throw RunError(fmt::format(
      "Poisson mean {} of {}: {} is not in [0, {}] (a mean number of counts is finite and not "
      "negative). Check the photon numbers that led to it.",
      bad - means.begin(), means.size(), *bad, poisson_largest_mean));
}

}  // namespace

void fill_normal(const RandomStream& stream, std::uint64_t first, std::span<float> out) {
  const RandomPlan plan = make_random_plan(stream);
  for_each_group(
      first, out.size(),
      [&](std::uint64_t group, std::size_t groups, std::size_t offset) {
        HWY_DYNAMIC_DISPATCH(normal_groups)(plan, group, groups, out.data() + offset);
      },
      [&](std::uint64_t group, std::size_t begin, std::size_t end, std::size_t offset) {
        Tile tile;
        HWY_DYNAMIC_DISPATCH(normal_groups)(plan, group, 1, tile.data());
        std::copy(tile.data() + begin, tile.data() + end, out.data() + offset);
      });
}

void fill_uniform(const RandomStream& stream, std::uint64_t first, std::span<float> out) {
  const RandomPlan plan = make_random_plan(stream);
  for_each_group(
      first, out.size(),
      [&](std::uint64_t group, std::size_t groups, std::size_t offset) {
        HWY_DYNAMIC_DISPATCH(uniform_groups)(plan, group, groups, out.data() + offset);
      },
      [&](std::uint64_t group, std::size_t begin, std::size_t end, std::size_t offset) {
        Tile tile;
        HWY_DYNAMIC_DISPATCH(uniform_groups)(plan, group, 1, tile.data());
        std::copy(tile.data() + begin, tile.data() + end, out.data() + offset);
      });
}

void fill_poisson(const RandomStream& stream, std::uint64_t first, std::span<const float> means,
                  std::span<float> counts) {
  if (means.size() != counts.size()) {
    throw RunError(fmt::format(
        "fill_poisson: {} means for {} counts (every count has its own mean). Pass spans of equal "
        "length.",
        means.size(), counts.size()));
  }
  const RandomPlan plan = make_random_plan(stream);
  bool valid = true;
  for_each_group(
      first, counts.size(),
      [&](std::uint64_t group, std::size_t groups, std::size_t offset) {
        valid &= HWY_DYNAMIC_DISPATCH(poisson_groups)(plan, group, groups, means.data() + offset,
                                                      counts.data() + offset);
      },
      [&](std::uint64_t group, std::size_t begin, std::size_t end, std::size_t offset) {
        Tile tile_means{};
        Tile tile;
        std::copy_n(means.data() + offset, end - begin, tile_means.data() + begin);
        valid &=
            HWY_DYNAMIC_DISPATCH(poisson_groups)(plan, group, 1, tile_means.data(), tile.data());
        std::copy(tile.data() + begin, tile.data() + end, counts.data() + offset);
      });
  if (!valid) report_bad_mean(means);
}

void poisson_from_normal(std::span<const float> means, std::span<const float> normals,
                         std::span<float> counts) {
  if (means.size() != counts.size() || normals.size() != counts.size()) {
    throw RunError(fmt::format(
        "poisson_from_normal: {} means and {} normal numbers for {} counts (one of each a count). "
        "Pass spans of equal length.",
        means.size(), normals.size(), counts.size()));
  }
  const std::size_t groups = counts.size() / random_group_size;
  const std::size_t whole = groups * random_group_size;
  bool valid = HWY_DYNAMIC_DISPATCH(poisson_from_normal_groups)(groups, means.data(),
                                                                normals.data(), counts.data());
  if (const std::size_t rest = counts.size() - whole; rest > 0) {
    Tile tile_means{};
    Tile tile_normals{};
    Tile tile;
    std::copy_n(means.data() + whole, rest, tile_means.data());
    std::copy_n(normals.data() + whole, rest, tile_normals.data());
    valid &= HWY_DYNAMIC_DISPATCH(poisson_from_normal_groups)(1, tile_means.data(),
                                                              tile_normals.data(), tile.data());
    std::copy_n(tile.data(), rest, counts.data() + whole);
  }
  if (!valid) report_bad_mean(means);
}

}  // namespace attojoule::photonics

#endif  // HWY_ONCE
