#include "calibration/photon_transfer.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "data/lab_file.hpp"
#include "photonics/error.hpp"
#include "tests/calibration/kinds_support.hpp"
#include "tests/support/assets.hpp"

namespace attojoule::calibration {
namespace {

PhotonTransferData set001(const std::filesystem::path& file) {
  const auto table = data::read_lab_file(file);
  PhotonTransferData data;
  data.mean_dn = data::column_in(table, "u_y", "DN");
  data.variance_dn2 = data::column_in(table, "s2_y", "DN^2");
  data.dark_mean_dn = data::column_in(table, "u_ydark", "DN");
  data.dark_variance_dn2 = data::column_in(table, "s2_ydark", "DN^2");
  data.photons = data::column_in(table, "u_p", "photon");
  data.exposure_s = data::column_in(table, "texp", "s");
  return data;
}

const Estimate& figure(const CalibrationResult& result, const std::string& name) {
  for (const Estimate& e : result.figures) {
    if (e.name == name) return e;
  }
  throw std::invalid_argument(name);
}

TEST(PhotonTransfer, emva_equals_the_reference_implementation) {
  ATTOJOULE_ASSET(file, "lab/photon_transfer/emva1288_001_ccd12.csv");
  ATTOJOULE_ASSET(reference_file, "lab/photon_transfer/emva1288_001_reference.json");
  // Its NaN is no JSON, and none of what is compared.
  std::ifstream in(reference_file);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  for (auto at = text.find("NaN"); at != std::string::npos; at = text.find("NaN")) {
    text.replace(at, 3, "null");
  }
  const auto reference = nlohmann::json::parse(text);
  PhotonTransferData data = set001(file);
  const CalibrationResult result = calibrate_photon_transfer(data, PtcMethod::emva);
  const auto near = [&](double value, const char* key, double unit = 1) {
    const double expected = reference[key].get<double>() * unit;
    EXPECT_NEAR(value, expected, 1e-9 * std::abs(expected)) << key;
  };
  near(result.parameter("K").value, "K");
  near(result.parameter("R").value, "R");
  near(result.parameter("eta").value, "QE", 0.01);
  near(result.parameter("sigma_d").value, "sigma_d");
  near(figure(result, "sigma_y_dark").value, "sigma_y_dark");
  near(figure(result, "u_p_min").value, "u_p_min");
  near(figure(result, "u_p_sat").value, "u_p_sat");
  near(figure(result, "u_e_sat").value, "u_e_sat");
  near(figure(result, "SNR_max").value, "SNR_max");
  near(figure(result, "DR").value, "DR");
  near(figure(result, "LE_min").value, "LE_min");
  near(figure(result, "LE_max").value, "LE_max");
  EXPECT_EQ(result.points_used, 26U);
  EXPECT_EQ(result.verdict, Verdict::accepted);

  // The order of the rows is nobody's business.
  std::reverse(data.mean_dn.begin(), data.mean_dn.end());
  std::reverse(data.variance_dn2.begin(), data.variance_dn2.end());
  std::reverse(data.dark_mean_dn.begin(), data.dark_mean_dn.end());
  std::reverse(data.dark_variance_dn2.begin(), data.dark_variance_dn2.end());
  std::reverse(data.photons.begin(), data.photons.end());
  std::reverse(data.exposure_s.begin(), data.exposure_s.end());
  near(calibrate_photon_transfer(data, PtcMethod::emva).parameter("K").value, "K");
}

TEST(PhotonTransfer, a_line_is_rejected_where_the_curved_response_is_not) {
  ATTOJOULE_ASSET(file, "lab/photon_transfer/emva1288_001_ccd12.csv");
  const PhotonTransferData data = set001(file);
  const auto weighted = calibrate_photon_transfer(data, PtcMethod::weighted);
  EXPECT_EQ(weighted.verdict, Verdict::rejected);
  EXPECT_EQ(weighted.exit_code(true), 6);
  EXPECT_EQ(weighted.exit_code(false), 0);
  const auto nonlinear = calibrate_photon_transfer(data, PtcMethod::nonlinear);
  EXPECT_EQ(nonlinear.verdict, Verdict::accepted) << nonlinear.reasons.size();
  EXPECT_GT(nonlinear.parameter("K").value,
            weighted.parameter("K").value + 3 * weighted.parameter("K").u_a);
}

// A camera with a curved response, K = 0.25 DN/e-, eta = 0.6, under a light that scatters by 0.1 %.
PhotonTransferData camera(int trial, double curvature, double pixels, int exposures = 40) {
  auto random = tests::lab_numbers(static_cast<std::uint64_t>(trial), 21);
  constexpr double k = 0.25, eta = 0.6, dark = 12;
  PhotonTransferData data;
  for (int i = 1; i <= exposures; ++i) {
    const double photons = 24000.0 * i / exposures;
    const double electrons = eta * photons * (1 + 0.001 * random.normal());
    // The response ends at 3000 DN: beyond it, no variance.
    const double bend = curvature * electrons / 10000;
    const double mean = k * electrons * (1 + bend);
    const double slope = k * (1 + 2 * bend);
    const bool full = mean > 3000;
    const double relative = std::sqrt(2 / pixels);
    data.photons.push_back(photons);
    data.exposure_s.push_back(4e-3 * i / exposures);
    data.mean_dn.push_back((full ? 3000 + 1e-3 * i : mean) + 20);
    data.variance_dn2.push_back(
        full ? 0.1 : (slope * slope * electrons + dark) * (1 + relative * random.normal()));
    data.dark_mean_dn.push_back(20);
    data.dark_variance_dn2.push_back(dark * (1 + relative * random.normal()));
  }
  data.pixels = pixels;
  return data;
}

const double sigma_d_truth = std::sqrt(12 - 1.0 / 12) / 0.25;
const std::vector<std::string> names{"K", "R", "eta", "sigma_d"};
const std::vector<double> truth{0.25, 0.15, 0.6, sigma_d_truth};

TEST(PhotonTransferCoverage, intervals_cover_as_they_say) {
  constexpr int trials = 2000;
  struct Case {
    PtcMethod method;
    int exposures;
    bool pixels;
    double curvature = 0;
  };
  for (const Case& c :
       {Case{PtcMethod::emva, 40, true}, Case{PtcMethod::emva, 20, true},
        Case{PtcMethod::weighted, 40, true}, Case{PtcMethod::weighted, 20, true},
        Case{PtcMethod::weighted, 20, false}, Case{PtcMethod::nonlinear, 20, true, -0.03}}) {
    double curvature95 = 0, curvature68 = 0;
    const auto covered = tests::coverage(trials, names, truth, [&](int trial) {
      PhotonTransferData data = camera(trial, c.curvature, 40000, c.exposures);
      if (!c.pixels) data.pixels.reset();
      auto result = calibrate_photon_transfer(data, c.method, false);
      if (c.method == PtcMethod::nonlinear) {
        const double bend = 100 * c.curvature * 0.6 * data.photons[result.points_used - 1] / 1e4;
        const Estimate& e = figure(result, "nonlinearity");
        curvature95 += (e.interval_low <= bend && bend <= e.interval_high) / double(trials);
        curvature68 += (e.interval68_low <= bend && bend <= e.interval68_high) / double(trials);
      }
      return result;
    });
    if (c.method == PtcMethod::nonlinear) {
      EXPECT_NEAR(curvature95, 0.95, tests::binomial_bound(0.95, trials));
      EXPECT_NEAR(curvature68, 0.6827, tests::binomial_bound(0.6827, trials));
    }
    for (std::size_t k = 0; k < names.size(); ++k) {
      const auto what = fmt::format("{}, method {}, {} exposures, pixels {}", names[k],
                                    static_cast<int>(c.method), c.exposures, c.pixels);
      EXPECT_NEAR(covered[k].inside95, 0.95, tests::binomial_bound(0.95, trials)) << what;
      EXPECT_NEAR(covered[k].inside68, 0.6827, tests::binomial_bound(0.6827, trials)) << what;
    }
  }
  // Variances that count four times the pixels they come from.
  const auto overweighted = tests::coverage(400, {"K", "eta"}, {0.25, 0.6}, [&](int trial) {
    PhotonTransferData data = camera(trial, 0, 40000);
    data.pixels = 160000;
    return calibrate_photon_transfer(data, PtcMethod::weighted, false);
  });
  EXPECT_LT(overweighted[0].inside95, 0.8);
  EXPECT_LT(overweighted[1].inside95, 0.8);
  // Power: lines through a response curved by 3 % miss K far more often than 5 %.
  const auto biased = tests::coverage(300, {"K"}, {0.25}, [&](int trial) {
    return calibrate_photon_transfer(camera(trial, -0.03, 40000), PtcMethod::weighted, false);
  });
  EXPECT_LT(biased[0].inside95, 0.5);
}

// Few exposures, where the number of residuals counts: K, eta and sigma_d of lines are right.
TEST(PhotonTransferCoverage, few_exposures) {
  constexpr int trials = 2000;
  const std::vector<std::string> of_variances{"K", "eta", "sigma_d"};
  const std::vector<double> their_truth{0.25, 0.6, sigma_d_truth};
  for (const PtcMethod method : {PtcMethod::emva, PtcMethod::weighted}) {
    const auto run = [&](int trial) {
      return calibrate_photon_transfer(camera(trial, 0, 40000, 10), method, false);
    };
    const auto covered = tests::coverage(trials, of_variances, their_truth, run);
    for (std::size_t k = 0; k < of_variances.size(); ++k) {
      EXPECT_NEAR(covered[k].inside95, 0.95, tests::binomial_bound(0.95, trials))
          << of_variances[k] << " method " << static_cast<int>(method);
      EXPECT_NEAR(covered[k].inside68, 0.6827, tests::binomial_bound(0.6827, trials))
          << of_variances[k] << " method " << static_cast<int>(method);
    }
  }
  // Power: the same standard uncertainties with a normal law.
  const auto normal = tests::coverage(trials, {"K", "eta"}, {0.25, 0.6}, [&](int trial) {
    auto result = calibrate_photon_transfer(camera(trial, 0, 40000, 10), PtcMethod::emva, false);
    for (Estimate& e : result.parameters) {
      set_interval(e, std::numeric_limits<double>::infinity());
    }
    return result;
  });
  EXPECT_LT(normal[0].inside95, 0.95 - tests::binomial_bound(0.95, trials));
  EXPECT_LT(normal[1].inside95, 0.95 - tests::binomial_bound(0.95, trials));
}

TEST(PhotonTransfer, one_level_of_light_tells_no_slope) {
  PhotonTransferData data = camera(1, 0, 40000);
  for (std::size_t i = 0; i < data.mean_dn.size(); ++i) {
    data.mean_dn[i] = 1000 + 0.1 * static_cast<double>(i);
    data.photons[i] = 6000;
  }
  for (const PtcMethod method : {PtcMethod::emva, PtcMethod::weighted, PtcMethod::nonlinear}) {
    const auto result = calibrate_photon_transfer(data, method);
    EXPECT_EQ(result.verdict, Verdict::not_identifiable);
    EXPECT_EQ(result.exit_code(false), 5);
    EXPECT_THAT(result.identifiability, testing::HasSubstr("the same signal within 10 %"));
  }
  // The same where all that is below 70 % of saturation has one level.
  for (std::size_t i = 0; i < data.mean_dn.size(); ++i) {
    const bool bright = i >= 30;
    data.mean_dn[i] = bright ? 2500 : 1000 + 0.1 * static_cast<double>(i);
    data.photons[i] = bright ? 16500 : 6500;
    data.variance_dn2[i] = bright ? 640 : 260;
  }
  EXPECT_EQ(calibrate_photon_transfer(data, PtcMethod::emva).verdict, Verdict::not_identifiable);
  // Two levels and darkness are enough for a line.
  for (std::size_t i = 0; i < 15; ++i) {
    data.mean_dn[i] = 500 + 0.1 * static_cast<double>(i);
    data.photons[i] = 3200;
    data.variance_dn2[i] = 130;
  }
  EXPECT_NE(calibrate_photon_transfer(data, PtcMethod::emva).verdict, Verdict::not_identifiable);
}

TEST(PhotonTransfer, what_cannot_be_is_refused) {
  PhotonTransferData few = camera(0, 0, 40000);
  for (auto* column : {&few.mean_dn, &few.variance_dn2, &few.dark_mean_dn, &few.dark_variance_dn2,
                       &few.photons, &few.exposure_s}) {
    column->resize(3);
  }
  EXPECT_THROW(calibrate_photon_transfer(few, PtcMethod::emva), DataError);
  PhotonTransferData wrong = camera(0, 0, 40000);
  for (double& p : wrong.photons) p /= 3;  // more electrons than photons
  const auto result = calibrate_photon_transfer(wrong, PtcMethod::emva);
  EXPECT_EQ(result.verdict, Verdict::rejected);
  ASSERT_FALSE(result.bounds_hit.empty());
  EXPECT_EQ(result.bounds_hit[0].parameter, "eta");
  EXPECT_NEAR(result.parameter("eta").value, 1.8, 0.05);  // reported, not clipped
}

}  // namespace
}  // namespace attojoule::calibration
