// attojoule device --lab-files: what a bench would measure, and back to the device.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "data/device_file.hpp"
#include "data/lab_file.hpp"
#include "tests/support/command_line.hpp"

namespace attojoule::tests {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class LabFiles : public CommandLine {
 protected:
  json series(const std::string& device, const std::string& folder,
              const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"device", device, "--lab-files", path(folder), "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run_command(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out);
  }

  // calibrate KIND FILE with the arguments that the bench gave, and these further ones.
  Outcome calibrate(const json& measurement, const std::string& folder,
                    const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"calibrate", measurement["kind"].get<std::string>(),
                                       path(folder + "/" + measurement["file"].get<std::string>())};
    for (const auto& argument : measurement["arguments"]) {
      arguments.push_back(argument.get<std::string>());
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_command(arguments);
  }

  std::string text_of(const std::string& name) const {
    std::ifstream in(path(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

struct Loop {
  const char* name;
  const char* device;
  std::vector<std::string> set;
  std::size_t measurements;
};

class ClosedLoop : public LabFiles, public testing::WithParamInterface<Loop> {};

// Every parameter of every kind within three standard uncertainties of the truth, for three benches
// with their own errors; and the model is accepted.
TEST_P(ClosedLoop, every_kind_finds_the_device) {
  const Loop& loop = GetParam();
  const std::set<std::string> main_parameters{"responsivity",
                                              "b",
                                              "propagation_loss",
                                              "half_wave_voltage",
                                              "imbalance",
                                              "visibility",
                                              "enob",
                                              "bandwidth_3dBe",
                                              "threshold_current",
                                              "slope_efficiency",
                                              "rin",
                                              "linewidth",
                                              "density",
                                              "oadev_tau0",
                                              "sigma_programming",
                                              "sigma_read",
                                              "fsr",
                                              "K"};
  std::size_t told_apart = 0;
  for (const char* seed : {"1", "2", "3"}) {
    auto more = loop.set;
    more.insert(more.end(), {"--seed", seed});
    const std::string folder = std::string("lab") + seed;
    const json truth = series(loop.device, folder, more);
    EXPECT_EQ(truth["measurements"].size(), loop.measurements) << truth["not_measured"];
    for (const auto& measurement : truth["measurements"]) {
      const Outcome outcome = calibrate(measurement, folder, {"--json"});
      const std::string what = measurement["kind"].get<std::string>() + ", seed " + seed;
      ASSERT_EQ(outcome.code, 0) << what << "\n" << outcome.err;
      const json result = json::parse(outcome.out);
      EXPECT_EQ(result["verdict"], "accepted") << what << "\n" << outcome.err;
      for (const auto& [name, true_value] : measurement["truth"].items()) {
        ASSERT_TRUE(result["parameters"].contains(name)) << what << " " << name;
        const auto& found = result["parameters"][name];
        EXPECT_EQ(found["unit"], true_value["unit"]) << what << " " << name;
        const double u = std::hypot(found["u_a"].get<double>(), found["u_b"].get<double>());
        EXPECT_GT(u, 0) << what << " " << name;
        EXPECT_LT(std::abs(found["value"].get<double>() - true_value["value"].get<double>()), 3 * u)
            << what << " " << name << ": " << found << " true " << true_value;
        // Power: a device that is another by a quarter would not pass for this one.
        if (main_parameters.contains(name)) {
          EXPECT_GT(
              std::abs(found["value"].get<double>() - 1.25 * true_value["value"].get<double>()),
              3 * u)
              << what << " " << name;
          ++told_apart;
        }
      }
    }
  }
  EXPECT_GE(told_apart, 3 * (loop.measurements - 1));
}

INSTANTIATE_TEST_SUITE_P(LabFiles, ClosedLoop,
                         testing::Values(Loop{"amplifier",
                                              "silicon-photonics-conservative",
                                              {"--set", "modulator.half_wave_voltage=3.2 V"},
                                              14},
                                         Loop{"integrator", "silicon-photonics-aggressive", {}, 11},
                                         Loop{"laser",
                                              "ideal-shot-noise",
                                              {"--set", "laser.slope_efficiency=0.3 W/A", "--set",
                                               "laser.threshold_current=10 mA", "--set",
                                               "laser.junction_voltage=1 V", "--set",
                                               "laser.linewidth=300 kHz"},
                                              6}),
                         [](const auto& loop) { return loop.param.name; });

TEST_F(LabFiles, a_series_is_a_pure_function_of_the_seed_and_measurements_are_independent) {
  const std::string device = "silicon-photonics-conservative";
  series(device, "a", {"--seed", "5"});
  series(device, "b", {"--seed", "5", "--set", "modulator.half_wave_voltage=3.2 V"});
  series(device, "c", {"--seed", "6"});
  EXPECT_EQ(text_of("a/shot_noise.csv"), text_of("b/shot_noise.csv"));
  EXPECT_EQ(text_of("a/fringes.csv"), text_of("b/fringes.csv"));
  EXPECT_NE(text_of("a/shot_noise.csv"), text_of("c/shot_noise.csv"));
  EXPECT_FALSE(std::filesystem::exists(path("a/mzm.csv")));
  EXPECT_TRUE(std::filesystem::exists(path("b/mzm.csv")));
  EXPECT_THAT(text_of("a/README.md"), HasSubstr("`mzm`: modulator.half_wave_voltage"));
  EXPECT_THAT(text_of("b/README.md"), HasSubstr("attojoule calibrate mzm mzm.csv"));
  EXPECT_NEAR(data::load_device(path("b/device.yaml")).modulator.half_wave_voltage_v, 3.2, 1e-12);
}

// What the instruments do is in the files: levels in steps, the log average's 2.51 dB.
TEST_F(LabFiles, instruments_leave_their_traces) {
  const auto truth = series("silicon-photonics-conservative", "lab");
  const auto table = data::read_lab_file(path("lab/shot_noise.csv"));
  EXPECT_EQ(table.settings.at("averaging"), "log");
  EXPECT_NEAR(*data::setting_in(table, "RBW", "Hz"), 300e3, 1e-6);
  for (const double level : table.column("trace 1").values) {
    EXPECT_NEAR(level * 100, std::round(level * 100), 1e-9);
  }
  for (const auto& measurement : truth["measurements"]) {
    if (measurement["kind"] != "shot-noise") continue;
    // Taken for power averages the noise reads 2.51 dB low, all of it: a leaves its interval.
    const auto fitted = [&](const std::vector<std::string>& more) {
      return json::parse(calibrate(measurement, "lab", more).out)["parameters"]["a"];
    };
    const double a = measurement["truth"]["a"]["value"];
    const auto wrong = fitted({"--averaging", "power", "--json"});
    EXPECT_NEAR(10 * std::log10(wrong["value"].get<double>() / a), -2.51, 0.2);
    EXPECT_LT(wrong["interval95"][1], a);
  }
}

// A power meter of the wrong scale shifts the responsivity by just that; who does not admit the
// scale's uncertainty finds an interval without the truth in it.
TEST_F(LabFiles, the_scale_of_the_power_meter_is_no_scatter) {
  const auto truth = series("silicon-photonics-conservative", "lab", {"--seed", "2"});
  const double scale = truth["power_meter_reads"];
  ASSERT_GT(std::abs(scale - 1), 0.003);
  for (const auto& measurement : truth["measurements"]) {
    if (measurement["kind"] != "responsivity") continue;
    const double r = measurement["truth"]["responsivity"]["value"];
    const Outcome outcome = run_command({"calibrate", "responsivity", path("lab/responsivity.csv"),
                                         "--relative", "0.15%", "--floor", "0.5nA", "--json"});
    const auto found = json::parse(outcome.out)["parameters"]["responsivity"];
    EXPECT_NEAR(found["value"].get<double>() * scale / r, 1, 2e-3);
    EXPECT_GT(std::abs(found["value"].get<double>() - r), 3 * found["u_a"].get<double>());
  }
}

// The wrong model is rejected, a design that cannot answer says so.
TEST_F(LabFiles, a_wrong_model_is_rejected_and_a_degenerate_design_exits_5) {
  series("silicon-photonics-conservative", "lab", {"--set", "modulator.half_wave_voltage=3.2 V"});
  const auto rewrite = [&](const std::string& from, const std::string& to, const auto& change) {
    auto table = data::read_lab_file(path("lab/" + from));
    change(table);
    data::write_lab_csv(table, path("lab/" + to));
    return path("lab/" + to);
  };
  // A guide whose coupling is broken.
  const std::string broken = rewrite(
      "cutback.csv", "broken.csv", [](data::LabTable& table) { table.columns[1].values[3] -= 4; });
  EXPECT_EQ(run_command({"calibrate", "loss", broken, "--strict", "--repeatability", "0.1dB"}).code,
            6);
  // A second harmonic of the fringe: a nonlinear scan.
  const std::string bent = rewrite("fringes.csv", "bent.csv", [](data::LabTable& table) {
    for (std::size_t i = 0; i < table.rows(); ++i) {
      table.columns[1].values[i] +=
          0.5 * std::sin(2 * 2 * 3.14159265 * table.columns[0].values[i] / 3.1);
    }
  });
  EXPECT_EQ(run_command({"calibrate", "visibility", bent, "--strict", "--relative", "0.1%",
                         "--floor", "0.5nA", "--dark", "0.4uA"})
                .code,
            6);
  const auto rows = [](data::LabTable& table, std::size_t first, std::size_t count) {
    for (auto& column : table.columns) {
      column.values.erase(column.values.begin() + static_cast<std::ptrdiff_t>(first + count),
                          column.values.end());
      column.values.erase(column.values.begin(),
                          column.values.begin() + static_cast<std::ptrdiff_t>(first));
    }
    table.lines.clear();
  };
  // A third of V_pi around the maximum, read to 10 %: neither V_pi nor the extinction.
  const std::string narrow =
      rewrite("mzm.csv", "narrow.csv", [&](data::LabTable& table) { rows(table, 50, 9); });
  EXPECT_EQ(
      run_command({"calibrate", "mzm", narrow, "--input-power", "1mW", "--relative", "10%"}).code,
      5);
  // Two light levels cannot tell three terms apart.
  const Outcome two = run_command(
      {"calibrate", "shot-noise", path("lab/shot_noise.csv"), "--levels", "0mW, 0.01mW, 0.01mW"});
  EXPECT_EQ(two.code, 5) << two.err;
}

TEST_F(LabFiles, a_folder_that_cannot_be_made_is_an_error) {
  const Outcome outcome =
      run_command({"device", "ideal-shot-noise", "--lab-files", write("file", "x") + "/lab"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("--lab-files"));
}

}  // namespace
}  // namespace attojoule::tests
