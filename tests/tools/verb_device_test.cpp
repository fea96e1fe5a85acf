// attojoule device, in process.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/device_file.hpp"
#include "data/result_file.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {
namespace {

struct Output {
  int code = 0;
  std::string out, err;
};

Output run(const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  const int code = run_program(arguments, {out, err});
  return {code, out.str(), err.str()};
}

TEST(VerbDevice, EveryPresetThroughEveryFidelity) {
  for (const std::string& preset : data::device_presets()) {
    const Output result = run({"device", preset, "--json", "--dot-length", "64"});
    ASSERT_EQ(result.code, 0) << preset << result.err;
    const auto object = nlohmann::json::parse(result.out);
    const double sigma = object["fidelity"]["analytic"]["sigma"];
    for (const char* fidelity : {"counting", "waveform"}) {
      const double ratio = object["fidelity"][fidelity]["sigma"].get<double>() / sigma;
      EXPECT_NEAR(ratio, 1, 5 / std::sqrt(2 * 2000.0)) << preset << " " << fidelity;
    }
    double shares = 0;
    for (const auto& term : object["noise"]["terms"]) shares += term["share"].get<double>();
    EXPECT_NEAR(shares, 1, 1e-12) << preset;
  }
}

TEST(VerbDevice, TextNamesTheCrossover) {
  const Output result =
      run({"device", "ideal-shot-noise", "--trials", "10", "--correlation", "0", "--set",
           "receiver.kind=charge-integrator", "--set", "receiver.capacitance=1pF"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("shot-noise limited above"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("nan"), std::string::npos) << result.out;
}

TEST(VerbDevice, WritesTheWaveform) {
  const auto file = std::filesystem::temp_directory_path() / "attojoule_verb_device_test.h5";
  const Output result = run({"device", "ideal-shot-noise", "--trials", "2", "--dot-length", "8",
                             "--waveform", file.string()});
  ASSERT_EQ(result.code, 0) << result.err;
  const data::ResultSummary summary = data::read_result_summary(file);
  bool found = false;
  for (const auto& entry : summary.entries) {
    found |= entry.path == "/waveform/charge" && entry.shape == std::vector<std::int64_t>{32};
  }
  EXPECT_TRUE(found);
  std::filesystem::remove(file);
}

TEST(VerbDevice, RefusesNonsense) {
  EXPECT_EQ(run({"device", "no-such-device"}).code, 2);
  EXPECT_EQ(run({"device", "ideal-shot-noise", "--photons", "0"}).code, 2);
  EXPECT_EQ(run({"device", "ideal-shot-noise", "--correlation", "2"}).code, 2);
  EXPECT_EQ(run({"device", "ideal-shot-noise", "--trials", "1"}).code, 2);
}

}  // namespace
}  // namespace attojoule::tools
