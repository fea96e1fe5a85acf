// Deviations against Stable32's results, closed forms of the power laws, and coverage.
#include "calibration/allan.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "data/lab_file.hpp"
#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"
#include "tests/support/assets.hpp"

namespace attojoule::calibration {
namespace {

struct Row {
  double m = 0, tau = 0, terms = 0, alpha = 0, low = 0, sigma = 0, high = 0;
};

std::vector<Row> stable32(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::vector<Row> rows;
  std::string line;
  while (std::getline(stream, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    Row row;
    if (fields >> row.m >> row.tau >> row.terms >> row.alpha >> row.low >> row.sigma >> row.high) {
      rows.push_back(row);
    } else {
      // MTIE and TIE rms have four columns.
      std::istringstream again(line);
      again >> row.m >> row.tau >> row.terms >> row.sigma;
      rows.push_back(row);
    }
  }
  return rows;
}

void compare(Stability kind, const std::vector<double>& x, double tau0,
             const std::filesystem::path& file, std::size_t at_least) {
  const auto rows = stable32(file);
  ASSERT_GE(rows.size(), at_least) << file;
  for (const Row& row : rows) {
    const auto point = stability(kind, x, tau0, static_cast<std::size_t>(row.m));
    ASSERT_TRUE(point) << file << " " << row.m;
    // The files have five digits: half a unit of the last is 5e-5 of 1.
    EXPECT_NEAR(point->deviation / row.sigma, 1, 1e-4) << file << " " << row.m;
    EXPECT_NEAR(point->tau_s / row.tau, 1, 1e-4) << file << " " << row.m;
    if (kind != Stability::theo1 && kind != Stability::mtie && kind != Stability::tierms &&
        kind != Stability::totdev) {
      // Stable32 counts the terms of an alltau run of the non-overlapping kinds a little short.
      EXPECT_LE(std::abs(static_cast<double>(point->terms) - row.terms), 1) << file << " " << row.m;
    }
  }
}

TEST(Allan, Stable32OnPhaseDat) {
  ATTOJOULE_ASSET(file, "lab/allan/phasedat/PHASE.DAT");
  const auto folder = file.parent_path();
  const std::vector<double> x = data::read_lab_file(file).columns.at(0).values;
  ASSERT_EQ(x.size(), 1001u);
  compare(Stability::adev, x, 1, folder / "phase_dat_adev.txt", 100);
  compare(Stability::oadev, x, 1, folder / "phase_dat_oadev.txt", 100);
  compare(Stability::mdev, x, 1, folder / "phase_dat_mdev.txt", 100);
  compare(Stability::tdev, x, 1, folder / "phase_dat_tdev.txt", 100);
  compare(Stability::hdev, x, 1, folder / "phase_dat_hdev.txt", 100);
  compare(Stability::ohdev, x, 1, folder / "phase_dat_ohdev.txt", 100);
  compare(Stability::totdev, x, 1, folder / "phase_dat_totdev.txt", 100);
  compare(Stability::mtie, x, 1, folder / "phase_dat_mtie.txt", 6);
  compare(Stability::tierms, x, 1, folder / "phase_dat_tierms.txt", 100);
  compare(Stability::theo1, x, 1, folder / "phase_dat_theo1_alpha0_decade.txt", 5);
}

TEST(Allan, Stable32OnAnOvenControlledOscillator) {
  ATTOJOULE_ASSET(file, "lab/allan/ocxo/ocxo_frequency.txt");
  const auto folder = file.parent_path();
  std::vector<double> y = data::read_lab_file(file).columns.at(0).values;
  ASSERT_EQ(y.size(), 19982u);
  double mean = 0;
  for (const double value : y) mean += value / static_cast<double>(y.size());
  for (double& value : y) value = (value - mean) / mean;
  const auto x = phase_from_frequency(y, 1);
  compare(Stability::adev, x, 1, folder / "stable32_adev_alltau.txt", 200);
  compare(Stability::oadev, x, 1, folder / "stable32_oadev_alltau.txt", 200);
  compare(Stability::mdev, x, 1, folder / "stable32_mdev_alltau.txt", 200);
  compare(Stability::tdev, x, 1, folder / "stable32_tdev_alltau.txt", 200);
  compare(Stability::hdev, x, 1, folder / "stable32_hdev_alltau.txt", 200);
  compare(Stability::ohdev, x, 1, folder / "stable32_ohdev_alltau.txt", 200);
  compare(Stability::totdev, x, 1, folder / "stable32_totdev_alltau.txt", 200);
}

// The noise that is identified, and the intervals that follow from it, over octaves.
TEST(Allan, NoiseAndIntervalsOfStable32) {
  ATTOJOULE_ASSET(file, "lab/allan/phasedat/PHASE.DAT");
  const std::vector<double> x = data::read_lab_file(file).columns.at(0).values;
  StabilityOptions options;
  options.confidence = 0.683;
  std::size_t compared = 0;
  for (const auto& [kind, name] :
       {std::pair{Stability::oadev, "oadev"}, std::pair{Stability::mdev, "mdev"},
        std::pair{Stability::ohdev, "ohdev"}}) {
    const auto rows =
        stable32(file.parent_path() / ("phase_dat_" + std::string(name) + "_octave.txt"));
    const auto curve = stability_curve(kind, x, 1, options);
    for (const Row& row : rows) {
      for (const auto& point : curve) {
        if (static_cast<double>(point.m) != row.m) continue;
        EXPECT_EQ(point.alpha, row.alpha) << name << row.m;
        EXPECT_NEAR(point.lower / row.low, 1, 0.02) << name << row.m;
        EXPECT_NEAR(point.upper / row.high, 1, 0.03) << name << row.m;
        ++compared;
      }
    }
  }
  EXPECT_GE(compared, 20u);
}

// White frequency noise of standard deviation s has adev s / sqrt(m); white phase noise s has
// adev sqrt(3) s / tau.
TEST(Allan, ClosedForms) {
  photonics::RandomSequence random({.seed = 3}, 0);
  constexpr std::size_t count = 1 << 16;
  std::vector<double> y(count), x(count);
  for (std::size_t k = 0; k < count; ++k) {
    y[k] = 1e-12 * random.normal();
    x[k] = 1e-9 * random.normal();
  }
  const auto phase = phase_from_frequency(y, 0.5);
  for (const std::size_t m : {1u, 4u, 64u}) {
    const auto point = stability(Stability::oadev, phase, 0.5, m);
    const double edf = stability_edf(0, 2, m, false, true, phase.size());
    const double expected = 1e-12 / std::sqrt(static_cast<double>(m));
    const double bound = 5 / std::sqrt(2 * edf);
    EXPECT_NEAR(point->deviation / expected, 1, bound) << m;
    EXPECT_GT(std::abs(1.5 * point->deviation / expected - 1), bound) << "power check " << m;
    EXPECT_EQ(noise_power_law(phase, m, 2), 0);
    const auto white = stability(Stability::oadev, x, 0.5, m);
    EXPECT_NEAR(white->deviation / (std::sqrt(3.0) * 1e-9 / (0.5 * static_cast<double>(m))), 1,
                0.03);
  }
  EXPECT_EQ(noise_power_law(x, 1, 2), 2);
  // A constant drift of the frequency: adev = drift tau / sqrt(2), and no Hadamard deviation.
  std::vector<double> drift(1000);
  for (std::size_t k = 0; k < drift.size(); ++k) {
    drift[k] = 1e-12 * static_cast<double>(k) * static_cast<double>(k) / 2;
  }
  EXPECT_NEAR(stability(Stability::adev, drift, 1, 10)->deviation, 1e-11 / std::sqrt(2.0), 1e-17);
  EXPECT_LT(stability(Stability::hdev, drift, 1, 10)->deviation, 1e-17);
}

TEST(Allan, IntervalsCover) {
  constexpr int sets = 2000;
  int inside = 0, inside68 = 0, inside_narrow = 0;
  for (int set = 0; set < sets; ++set) {
    photonics::RandomSequence random({.seed = 17}, static_cast<std::uint64_t>(set));
    std::vector<double> y(255);
    for (double& value : y) value = random.normal();
    const auto x = phase_from_frequency(y, 1);
    StabilityOptions options;
    for (const auto& point : stability_curve(Stability::oadev, x, 1, options)) {
      if (point.m != 8) continue;
      const double truth = 1 / std::sqrt(8.0);
      inside += truth >= point.lower && truth <= point.upper;
      const auto [low, high] = stability_interval(point, 0.683);
      inside68 += truth >= low && truth <= high;
      // A wrong number of degrees of freedom (as if every term were independent) must be seen.
      const double narrow = 2 / std::sqrt(2.0 * static_cast<double>(point.terms));
      inside_narrow += std::abs(point.deviation / truth - 1) < narrow;
    }
  }
  const double bound = 3 * std::sqrt(0.95 * 0.05 / sets);
  EXPECT_NEAR(inside / static_cast<double>(sets), 0.95, bound);
  EXPECT_NEAR(inside68 / static_cast<double>(sets), 0.683, 3 * std::sqrt(0.683 * 0.317 / sets));
  EXPECT_LT(inside_narrow / static_cast<double>(sets), 0.95 - bound);
}

TEST(Allan, Refusals) {
  const std::vector<double> few(3, 0.0), some(10, 0.0);
  EXPECT_THROW(stability_curve(Stability::adev, few, 1, {}), RunError);
  EXPECT_THROW(stability_curve(Stability::adev, some, 0, {}), RunError);
  StabilityOptions options;
  options.taus = "many";
  EXPECT_THROW(stability_curve(Stability::adev, some, 1, options), ConfigError);
  EXPECT_FALSE(stability_of_name("xdev"));
  EXPECT_FALSE(stability(Stability::hdev, some, 1, 4));
}

}  // namespace
}  // namespace attojoule::calibration
