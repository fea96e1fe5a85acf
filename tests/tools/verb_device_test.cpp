// attojoule device, in process.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
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
    for (const char* fidelity : {"counting", "waveform"}) {
      const auto& row = object["fidelity"][fidelity];
      EXPECT_NEAR(row["bias"].get<double>(), 0, 5 * row["bias_error"].get<double>())
          << preset << " " << fidelity;
    }
    double shares = 0;
    for (const auto& term : object["noise"]["terms"]) shares += term["share"].get<double>();
    EXPECT_NEAR(shares, 1, 1e-12) << preset;
    // What arrives at the photodiodes is the light of the noise budget.
    const auto& photodiode = object["link"]["points"].back();
    const double arrives =
        photodiode["power_x_w"].get<double>() + photodiode["power_w_w"].get<double>();
    EXPECT_NEAR(arrives / object["noise"]["power_w"].get<double>(), 1, 1e-9) << preset;
  }
}

// The silicon presets: what the data sheets say must come out of the model.
TEST(VerbDevice, SiliconPresetsHaveTheFiguresOfTheirSources) {
  const auto device = [](const char* preset) {
    const Output result = run({"device", preset, "--json", "--trials", "2"});
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(result.out);
  };
  const auto rms = [](const nlohmann::json& object, const char* name) {
    for (const auto& term : object["noise"]["terms"]) {
      if (term["name"] == name) return term["electrons_rms"].get<double>();
    }
    return 0.0;
  };
  // 7.2 pA/sqrt(Hz) over 1 us: (T / q) i_n sqrt(1 / (2 T)).
  const auto conservative = device("silicon-photonics-conservative");
  EXPECT_NEAR(rms(conservative, "receiver") / (1e-6 / 1.602e-19 * 7.2e-12 * std::sqrt(0.5e6)), 1,
              2e-3);
  EXPECT_NEAR(rms(conservative, "dark current"), std::sqrt(2 * 50e-9 * 1e-6 / 1.602e-19), 1);
  // kTC of 10 fF at 300 K.
  EXPECT_NEAR(rms(device("silicon-photonics-aggressive"), "receiver"), 40.2, 0.1);
}

TEST(VerbDevice, WritesAllTables) {
  const auto file = std::filesystem::temp_directory_path() / "attojoule_verb_device_tables.h5";
  const Output result = run({"device", "silicon-photonics-aggressive", "--trials", "10",
                             "--dot-length", "64", "--out", file.string()});
  ASSERT_EQ(result.code, 0) << result.err;
  const data::ResultSummary summary = data::read_result_summary(file);
  std::map<std::string, data::ResultSummary::Entry> entries;
  for (const auto& entry : summary.entries) {
    EXPECT_FALSE(entry.units.empty() && entry.path.find("/name") == std::string::npos &&
                 entry.path.find("/term") == std::string::npos &&
                 entry.path.find("/element") == std::string::npos &&
                 entry.path.find("/auto") == std::string::npos)
        << entry.path;
    EXPECT_FALSE(entry.long_name.empty()) << entry.path;
    entries[entry.path] = entry;
  }
  ASSERT_TRUE(entries.count("/sweep/electrons_rms") == 1);
  const auto& sweep = entries["/sweep/electrons_rms"];
  ASSERT_EQ(sweep.shape.size(), 2u);
  EXPECT_EQ(sweep.units, "electron");
  EXPECT_EQ(sweep.shape[0], entries["/sweep/photons_per_mac"].shape[0]);
  EXPECT_EQ(sweep.shape[1], entries["/noise/term"].shape[0]);
  for (const char* path : {"/link/power_x", "/noise/share", "/sweep/enob", "/sweep/kolmogorov",
                           "/gaussian/total_variation", "/fidelity/sigma"}) {
    EXPECT_TRUE(entries.count(path) == 1) << path;
  }
  std::filesystem::remove(file);
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
    found |= entry.path == "/waveform/charge" && entry.shape == std::vector<std::int64_t>{128};
  }
  EXPECT_TRUE(found);
  std::filesystem::remove(file);
}

TEST(VerbDevice, RefusesNonsense) {
  EXPECT_EQ(run({"device", "no-such-device"}).code, 2);
  EXPECT_EQ(run({"device", "ideal-shot-noise", "--photons", "0"}).code, 2);
  EXPECT_EQ(run({"device", "ideal-shot-noise", "--correlation", "2"}).code, 2);
  EXPECT_EQ(run({"device", "ideal-shot-noise", "--trials", "1"}).code, 2);
  EXPECT_EQ(run({"device", "ideal-shot-noise", "--crest", "0.5"}).code, 2);
  EXPECT_EQ(run({"device", "ideal-shot-noise", "--waveform", "/tmp/attojoule_w.h5",
                 "--samples-per-slot", "0"})
                .code,
            2);
  EXPECT_FALSE(std::filesystem::exists("/tmp/attojoule_w.h5"));
}

}  // namespace
}  // namespace attojoule::tools
