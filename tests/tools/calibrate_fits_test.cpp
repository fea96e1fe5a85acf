// attojoule calibrate ptc, shot-noise, loss, li: in process, with the files they write.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/device_calibration.hpp"
#include "data/device_file.hpp"
#include "data/result_file.hpp"
#include "photonics/error.hpp"
#include "tests/support/assets.hpp"
#include "tests/support/written_files.hpp"

namespace attojoule::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string examples = std::string(ATTOJOULE_SOURCE_DIR) + "/data/laboratory/";

class CalibrateFits : public WrittenFiles {};

struct Truth {
  const char* kind;
  const char* file;
  std::vector<std::pair<const char*, double>> values;
  std::vector<std::string> options = {};
};

TEST_F(CalibrateFits, every_kind_finds_what_its_example_was_made_of_and_writes_everything) {
  const std::vector<Truth> kinds{
      {"ptc", "photon_transfer.csv", {{"K", 0.25}, {"R", 0.15}, {"eta", 0.6}, {"sigma_d", 13.808}}},
      {"shot-noise", "shot_noise.csv", {{"a", 2e-6}, {"b", 3.1e-6}, {"c", 4e-8}}},
      {"loss", "cutback.csv", {{"propagation_loss", 2.3}}},
      {"li", "light_current.csv", {{"threshold_current", 12.3e-3}, {"slope_efficiency", 0.31}}},
      {"responsivity",
       "responsivity.csv",
       {{"responsivity", 0.92}, {"dark_current", 12e-9}, {"eta", 0.92 * 1.239841984 / 1.55}},
       {"--relative", "0.5%", "--floor", "2nA", "--power-scale-uncertainty", "2%"}},
      {"cmrr",
       "cmrr.csv",
       {{"cmrr", 38.416}, {"imbalance", 0.006}, {"delay", 90e-12}},
       {"--sigma", "0.2dB"}},
      {"visibility",
       "fringes.csv",
       {{"visibility", 0.93}, {"period", 3.1}, {"mean", 20e-6}},
       {"--dark", "0.4uA", "--power-ratio", "1.3"}},
      {"ring",
       "ring.csv",
       {{"larger", 0.985}, {"smaller", 0.97}, {"fsr", 250e9}},
       {"--relative", "0.5%"}},
      {"rin", "rin.csv", {{"rin", 3e-15}}, {"--photocurrent", "2mA", "--averages", "100"}},
      {"linewidth", "beat.csv", {{"linewidth", 150e3}}, {"--averages", "100"}},
      {"linewidth", "frequency_noise.csv", {{"linewidth", 62832}}, {"--averages", "50"}},
      {"mzm",
       "mzm.csv",
       {{"half_wave_voltage", 3.4}, {"extinction_ratio", 23.979}, {"insertion_loss", 3.7675}},
       {"--input-power", "1mW", "--floor-level", "0.2uW", "--relative", "0.5%", "--floor",
        "0.2uW"}}};
  for (const Truth& truth : kinds) {
    const std::string out = path(truth.kind);
    std::vector<std::string> words{"calibrate", truth.kind, examples + truth.file};
    words.insert(words.end(), truth.options.begin(), truth.options.end());
    std::vector<std::string> with_files = words;
    with_files.insert(with_files.end(), {"--out", out, "--strict"});
    const Outcome outcome = run_command(with_files);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const auto result = json_of(std::string(truth.kind) + "/result.json");
    EXPECT_EQ(result["verdict"], "accepted");
    for (const auto& [name, value] : truth.values) {
      const auto& p = result["parameters"][name];
      const double u = std::hypot(p["u_a"].get<double>(), p["u_b"].get<double>());
      // The house's five standard errors: few degrees of freedom make three of them no rarity.
      EXPECT_LT(std::abs(p["value"].get<double>() - value), 5 * u) << truth.kind << " " << name;
      EXPECT_LT(p["interval95"][0], p["value"]);
      EXPECT_GT(p["interval95"][1], p["value"]);
      EXPECT_TRUE(p["unit"].is_string());
    }
    EXPECT_TRUE(result.contains("chi2_reduced"));
    EXPECT_EQ(result["inputs"][0]["sha256"].get<std::string>().size(), 64U);
    const std::string html = text_of(std::string(truth.kind) + "/report.html");
    EXPECT_THAT(html, HasSubstr("<svg"));
    EXPECT_THAT(html, Not(HasSubstr("http://www.w3.org/1999")));  // nothing is fetched
    EXPECT_THAT(html, Not(HasSubstr(">nan")));
    EXPECT_THAT(text_of(std::string(truth.kind) + "/residuals.csv"), HasSubstr("place,x,y,model"));
    EXPECT_TRUE(data::is_result_file(path(std::string(truth.kind) + "/cal.h5")));
    EXPECT_THAT(text_of(std::string(truth.kind) + "/check.py"), HasSubstr("curve_fit"));
    for (const auto& entry : std::filesystem::directory_iterator(out)) {
      EXPECT_THAT(entry.path().string(), Not(HasSubstr(".part")));
    }
    words.emplace_back("--json");
    const Outcome json = run_command(words);
    EXPECT_EQ(nlohmann::json::parse(json.out)["parameters"], result["parameters"]);
  }
}

TEST_F(CalibrateFits, device_file_loads_and_draws) {
  ASSERT_EQ(run_command({"calibrate", "loss", examples + "cutback.csv", "--path-length", "2cm",
                         "--out", path("loss")})
                .code,
            0);
  const std::string file = path("loss/device.yaml");
  const auto result = json_of("loss/result.json")["parameters"]["propagation_loss"];
  const double loss = 2 * result["value"].get<double>();
  EXPECT_NEAR(data::load_device(file).link.propagation_loss_db, loss, 1e-12);
  const auto draws = data::draw_devices(file, {}, 4000, 1);
  double mean = 0, squares = 0;
  for (const auto& device : draws.devices) {
    mean += device.link.propagation_loss_db / 4000;
    squares += std::pow(device.link.propagation_loss_db - loss, 2) / 4000;
  }
  const double u = 2 * result["u_a"].get<double>();
  EXPECT_NEAR(mean, loss, 5 * u / std::sqrt(4000.0));
  EXPECT_NEAR(std::sqrt(squares) / u, 1, 5 / std::sqrt(8000.0));
  // A preset has nothing to draw from.
  EXPECT_THROW(data::draw_devices("ideal-shot-noise", {}, 1, 1), ConfigError);
}

TEST_F(CalibrateFits, a_header_less_file_is_read_with_columns) {
  std::string rows;
  for (int i = 0; i <= 30; ++i) {
    rows += std::to_string(2e-3 * i) + "," +
            std::to_string(0.25 * std::max(0.0, 2e-3 * i - 0.015)) + "\n";
  }
  const std::string file = write("li.csv", rows);
  const Outcome outcome =
      run_command({"calibrate", "li", file, "--columns", "I [A], P [W]", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto p = nlohmann::json::parse(outcome.out)["parameters"];
  EXPECT_NEAR(p["threshold_current"]["value"].get<double>(), 15e-3, 2e-4);
  EXPECT_NEAR(p["slope_efficiency"]["value"].get<double>(), 0.25, 2e-3);
}

TEST_F(CalibrateFits, errors_have_their_codes_and_leave_nothing) {
  const std::string bare = write("bare.csv", "P_LO,V [V^2]\n0,1\n1,2\n2,3\n");
  Outcome outcome = run_command({"calibrate", "shot-noise", bare, "--out", path("x")});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("bare.csv:1: column 1 \"P_LO\" has no unit"));
  EXPECT_FALSE(std::filesystem::exists(path("x")));
  const std::string same = write("same.csv", "P [mW],V [V^2]\n1,2\n1,2.1\n1,1.9\n1,2.05\n");
  EXPECT_EQ(run_command({"calibrate", "shot-noise", same}).code, 5);
  const std::string off =
      write("off.csv", "length [cm],transmission [dB]\n0,-5\n1,-7\n2,-9\n3,-21\n4,-13\n5,-15.1\n");
  EXPECT_EQ(run_command({"calibrate", "loss", off}).code, 0);
  outcome = run_command(
      {"calibrate", "loss", off, "--strict", "--path-length", "1cm", "--out", path("off")});
  EXPECT_EQ(outcome.code, 6);
  EXPECT_THAT(outcome.err, HasSubstr("off.csv:5"));
  // A rejected model gives no device.
  EXPECT_TRUE(std::filesystem::exists(path("off/result.json")));
  EXPECT_FALSE(std::filesystem::exists(path("off/device.yaml")));
  EXPECT_EQ(run_command({"calibrate", "loss", off, "--range", "3:1"}).code, 2);
  EXPECT_EQ(run_command({"calibrate", "li", path("missing.csv")}).code, 3);
}

TEST_F(CalibrateFits, cutback_sweeps_of_a_real_chip) {
  ATTOJOULE_ASSET(folder, "lab/cutback");
  std::vector<std::string> good{"calibrate", "loss", "--json"}, bad = good;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    (entry.path().filename().string().find("_350nm_") != std::string::npos ? good : bad)
        .push_back(entry.path().string());
  }
  bad.push_back("--strict");
  Outcome outcome = run_command(good);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto result = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(result["verdict"], "accepted");
  EXPECT_NEAR(result["parameters"]["propagation_loss"]["value"].get<double>(), 2.25, 0.05);
  outcome = run_command(bad);
  EXPECT_EQ(outcome.code, 6);
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["verdict"], "rejected");
  EXPECT_THAT(outcome.err, HasSubstr("residuals of 6.6 dB rms and up to 8.6 dB off the line"));
}

// Four light levels of a real receiver: proportional to the light within 5 %, and no input noise
// below the Johnson noise of its feedback resistor.
TEST_F(CalibrateFits, shot_noise_of_a_real_receiver) {
  ATTOJOULE_ASSET(file, "lab/photodetector_traces/2022-06-17_opa818_33k_20dBpostgain_shot.csv");
  std::vector<std::string> words{
      "calibrate", "shot-noise", file.string(), "--levels", "0.5V, 0.2V, 0.1V, 0V",
      "--band",    "2MHz:10MHz", "--json"};
  const Outcome outcome = run_command(words);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto p = nlohmann::json::parse(outcome.out)["parameters"];
  // Curvature at the brightest level, as a share of the shot noise there.
  EXPECT_LT(std::abs(p["c"]["value"].get<double>() * 0.5 / p["b"]["value"].get<double>()), 0.05);
  words.back() = "--out";
  words.push_back(path("shot"));
  ASSERT_EQ(run_command(words).code, 0);
  std::istringstream rows(text_of("shot/residuals.csv"));
  std::string row;
  std::getline(rows, row);
  std::vector<std::pair<double, double>> points;  // light, noise
  while (std::getline(rows, row)) {
    // place (a path without commas), x, y
    const auto first = row.find(','), second = row.find(',', first + 1);
    points.emplace_back(std::stod(row.substr(first + 1)), std::stod(row.substr(second + 1)));
  }
  ASSERT_EQ(points.size(), 4U);
  ASSERT_EQ(points[0].first, 0);
  double mean = 0;
  for (std::size_t i = 1; i < 4; ++i) {
    mean += (points[i].second - points[0].second) / points[i].first / 3;
  }
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_NEAR((points[i].second - points[0].second) / points[i].first / mean, 1, 0.05);
  }
  // The DC monitor's transresistance cannot be 33 kOhm.
  for (const char* resistance : {"33kOhm", "33kohm"}) {
    const Outcome johnson =
        run_command({"calibrate", "shot-noise", file.string(), "--levels", "0.5V, 0.2V, 0.1V, 0V",
                     "--band", "2MHz:10MHz", "--transresistance", resistance});
    EXPECT_EQ(johnson.code, 3);
    EXPECT_THAT(johnson.err, HasSubstr("below the Johnson limit 0.71 of 33 kOhm"));
  }
}

TEST_F(CalibrateFits, degenerate_designs_exit_5_and_wrong_models_6) {
  const auto rows = [](int n, auto formula) {
    std::string text;
    for (int i = 0; i < n; ++i) {
      const auto [x, y] = formula(i);
      text += fmt::format("{:.9g},{:.9g}\n", x, y);
    }
    return text;
  };
  const auto wiggle = [](int i) { return 1 + 0.002 * ((i * 7919) % 13 - 6) / 6; };
  const auto code = [&](const char* kind, const std::string& name, const std::string& text) {
    return run_command({"calibrate", kind, write(name, text), "--strict"}).code;
  };
  // One light level; light squared.
  EXPECT_EQ(code("responsivity", "r5.csv",
                 "P [mW],I [mA]\n" + rows(8,
                                          [&](int i) {
                                            return std::pair{1.0, wiggle(i)};
                                          })),
            5);
  EXPECT_EQ(code("responsivity", "r6.csv",
                 "P [mW],I [mA]\n" + rows(20,
                                          [&](int i) {
                                            return std::pair{0.1 * i, 0.05 * i * i * wiggle(i)};
                                          })),
            6);
  // A tenth of a fringe; a clipped one.
  EXPECT_EQ(code("visibility", "v5.csv",
                 "scan [V],I [uA]\n" +
                     rows(30,
                          [&](int i) {
                            return std::pair{0.003 * i, 5 + 4 * std::cos(0.02 * i) * wiggle(i)};
                          })),
            5);
  EXPECT_EQ(
      code(
          "visibility", "v6.csv",
          "scan [V],I [uA]\n" +
              rows(
                  60,
                  [&](int i) {
                    return std::pair{0.1 * i, std::min(7.0, 5 + 4 * std::cos(0.3 * i)) * wiggle(i)};
                  })),
      6);
  // A twentieth of V_pi; a bent phase.
  EXPECT_EQ(
      code("mzm", "m5.csv",
           "V [V],P [mW]\n" +
               rows(30,
                    [&](int i) {
                      return std::pair{0.005 * i, (1 + std::cos(1.5 + 0.005 * i)) * wiggle(i)};
                    })),
      5);
  EXPECT_EQ(code("mzm", "m6.csv",
                 "V [V],P [mW]\n" +
                     rows(80,
                          [&](int i) {
                            const double v = 0.1 * i;
                            return std::pair{v, (1.02 + std::cos(v + 0.06 * v * v)) * wiggle(i)};
                          })),
            6);
  // Noise without a trace in the dark.
  EXPECT_EQ(run_command({"calibrate", "rin", examples + "rin.csv", "--noise", "dark", "--dark", "x",
                         "--photocurrent", "2mA"})
                .code,
            3);
  EXPECT_EQ(code("rin", "n5.csv",
                 "# photocurrent: 2 mA\nfrequency [MHz],noise [W/Hz]\n" +
                     rows(20,
                          [&](int i) {
                            return std::pair{10.0 + i, 1e-18 * wiggle(i)};
                          })),
            5);
  // No dip.
  EXPECT_EQ(code("ring", "g5.csv",
                 "frequency [GHz],T [1]\n" + rows(40,
                                                  [&](int i) {
                                                    return std::pair{193400.0 + i, wiggle(i)};
                                                  })),
            5);
}

}  // namespace
}  // namespace attojoule::tests
