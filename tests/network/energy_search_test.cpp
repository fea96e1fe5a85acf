// The search for the least energy: where it ends, in how many steps, and that it can be resumed.
#include "network/energy_search.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "photonics/error.hpp"

namespace attojoule::network {
namespace {

LeastEnergySearch search(SearchOptions options, const std::function<double(double)>& criterion) {
  LeastEnergySearch state(options);
  while (const auto energy = state.next()) state.report({*energy, criterion(*energy)});
  return state;
}

double found(const LeastEnergySearch& state) {
  const auto best = state.best();
  return best ? state.trials()[*best].energy : 0.0;
}

class Start : public testing::TestWithParam<double> {};

// Whatever it starts from, degradations that fall as a power of the energy are closed in on to the
// tolerance, from above, in far fewer steps than bisection's.
TEST_P(Start, ends_within_the_tolerance_above_the_crossing) {
  for (const double slope : {0.5, 1.0, 2.0, 4.0}) {
    SearchOptions options;
    options.target = 0.02;
    options.first = GetParam();
    const auto criterion = [&](double energy) { return 0.02 * std::pow(energy / 17, -slope); };
    const auto state = search(options, criterion);
    EXPECT_GE(found(state), 17 * (1 - 1e-9)) << slope;
    EXPECT_LE(found(state), 17 * options.tolerance) << slope;
    EXPECT_LE(state.trials().size(), 12u) << slope;
  }
}
INSTANTIATE_TEST_SUITE_P(Energies, Start, testing::Values(0.5, 10, 17, 25, 400));

// Steps of a finite number of images, and a criterion that is zero or negative above the target.
TEST(LeastEnergySearch, steps_and_zeros) {
  SearchOptions options;
  options.target = 0.02;
  options.first = 100;
  const auto stepped =
      search(options, [](double energy) { return std::floor(1000 * 0.3 / energy) / 1000 - 0.001; });
  EXPECT_LE(0.3 / found(stepped), 0.022);
  EXPECT_GE(0.3 / found(stepped), 0.020);
  const auto step = search(options, [](double energy) { return energy < 33 ? 1.0 : 0.0; });
  EXPECT_GE(found(step), 33);
  EXPECT_LE(found(step), 33 * options.tolerance);
  EXPECT_LE(step.trials().size(), 16u);
}

TEST(LeastEnergySearch, what_it_returns_met_the_target) {
  SearchOptions options;
  options.target = 0.02;
  options.first = 3;
  options.max_steps = 5;
  const auto criterion = [](double energy) { return 1 / energy; };
  const auto state = search(options, criterion);
  EXPECT_EQ(state.trials().size(), 5u);
  ASSERT_TRUE(state.best());
  EXPECT_LE(state.trials()[*state.best()].criterion, options.target);
}

TEST(LeastEnergySearch, out_of_reach_is_said) {
  SearchOptions options;
  options.target = 0.02;
  options.first = 10;
  options.highest = 1e4;
  const auto state = search(options, [](double) { return 0.05; });
  EXPECT_TRUE(state.out_of_reach());
  EXPECT_FALSE(state.best());
  const auto free = search(options, [](double) { return 0.0; });
  EXPECT_FALSE(free.out_of_reach());
  EXPECT_EQ(found(free), options.lowest);
}

// A NaN is a failure, not a success.
TEST(LeastEnergySearch, nan_does_not_meet_a_target) {
  SearchOptions options;
  options.target = 0.02;
  options.first = 10;
  options.highest = 100;
  EXPECT_TRUE(search(options, [](double) { return std::nan(""); }).out_of_reach());
}

TEST(LeastEnergySearch, replayed_trials_restore_it) {
  SearchOptions options;
  options.target = 0.02;
  options.first = 2;
  const auto criterion = [](double energy) { return 1 / energy; };
  const auto whole = search(options, criterion);
  for (std::size_t stop = 0; stop <= whole.trials().size(); ++stop) {
    LeastEnergySearch resumed(options);
    for (std::size_t i = 0; i < stop; ++i) resumed.report(whole.trials()[i]);
    while (const auto energy = resumed.next()) resumed.report({*energy, criterion(*energy)});
    ASSERT_EQ(resumed.trials().size(), whole.trials().size());
    EXPECT_EQ(found(resumed), found(whole));
  }
}

TEST(LeastEnergySearch, refuses_options_out_of_range) {
  SearchOptions options;
  EXPECT_THROW(LeastEnergySearch{options}, ConfigError);
  options.first = 1;
  options.growth = 1;
  EXPECT_THROW(LeastEnergySearch{options}, ConfigError);
}

}  // namespace
}  // namespace attojoule::network
