// The key operating_point.file in the verbs that run no network: map and device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/command_line.hpp"

namespace attojoule::tests {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class OperatingPointVerbs : public CommandLine {
 protected:
  static json parse(const Outcome& outcome) {
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out);
  }
  json mapped(const std::vector<std::string>& more) const {
    std::vector<std::string> words{"map", model_file(), "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return parse(run_command(words));
  }
  std::string points(const std::string& text) const {
    return "operating_point.file=" + write("points.yaml", text);
  }
  // Every layer of the network with these keys.
  std::string points_of_all(const std::string& keys) const {
    std::string text = "layers:\n";
    const json network = mapped({});
    for (const auto& layer : network["layers"]) {
      text += "  - {name: " + layer["name"].get<std::string>() + ", " + keys + "}\n";
    }
    return text;
  }
};

TEST_F(OperatingPointVerbs, map_counts_the_repetitions_of_the_file) {
  const json once = mapped({});
  const json thrice =
      mapped({"--set", points(points_of_all("photons_per_mac: 20, repetitions: 3"))});
  ASSERT_EQ(once["layers"].size(), thrice["layers"].size());
  for (std::size_t i = 0; i < once["layers"].size(); ++i) {
    const json& a = once["layers"][i];
    const json& b = thrice["layers"][i];
    for (const char* count : {"passes", "slots", "input_symbols", "reads"}) {
      EXPECT_EQ(b[count].get<double>(), 3 * a[count].get<double>()) << a["name"] << " " << count;
    }
    EXPECT_EQ(a["utilisation"], b["utilisation"]);
    EXPECT_EQ(b["photons_per_mac"], 20);
    EXPECT_EQ(b["repetitions"], 3);
  }
  EXPECT_EQ(once["macs"], thrice["macs"]);
}

// One channel that is read five times: its reads, and no others, are five times as many.
TEST_F(OperatingPointVerbs, map_takes_channels_apart) {
  const json plain = mapped({});
  const json& first = plain["layers"][0];
  const double reads = first["reads"];
  const double outputs = first["outputs"];
  ASSERT_EQ(reads, outputs);
  const std::string name = first["name"];
  std::string text = points_of_all("photons_per_mac: 2");
  const std::string entry = "  - {name: " + name + ", photons_per_mac: 2}\n";
  const int channels = 8;
  std::string photons, repetitions;
  for (int c = 0; c < channels; ++c) {
    photons += c == 0 ? "2" : ", 2";
    repetitions += c == 0 ? "5" : ", 1";
  }
  text.replace(text.find(entry), entry.size(),
               "  - {name: " + name + ", photons_per_mac: [" + photons + "], repetitions: [" +
                   repetitions + "]}\n");
  const json apart = mapped({"--set", points(text)});
  EXPECT_EQ(apart["layers"][0]["reads"].get<double>(), reads + 4 * outputs / channels);
  EXPECT_EQ(apart["layers"][1]["reads"], plain["layers"][1]["reads"]);
}

TEST_F(OperatingPointVerbs, map_refuses_what_run_refuses) {
  const auto refused = [&](std::vector<std::string> more) {
    std::vector<std::string> words{"map", model_file()};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run_command(words);
    EXPECT_EQ(outcome.code, 2);
    return outcome.err;
  };
  EXPECT_THAT(refused({"--set", points("layers:\n  - {name: nowhere, photons_per_mac: 1}\n")}),
              AllOf(HasSubstr("nowhere"), HasSubstr("no matrix product")));
  EXPECT_THAT(
      refused({"--set", points("model_sha256: 0123\n" + points_of_all("photons_per_mac: 1"))}),
      HasSubstr("another network"));
  EXPECT_THAT(refused({"--photons", "3", "--set", points(points_of_all("photons_per_mac: 1"))}),
              HasSubstr("--photons"));
  EXPECT_THAT(refused({"--set", "operating_point.photons_per_mac=3"}), HasSubstr("--photons"));
}

// A digital layer needs no point and is not mapped.
TEST_F(OperatingPointVerbs, map_leaves_digital_layers_out) {
  const json all = mapped({});
  const std::string last = all["layers"].back()["name"];
  const json fewer = mapped({"--set", "digital_layers=[\"" + last + "\"]"});
  EXPECT_EQ(fewer["layers"].size() + 1, all["layers"].size());
  EXPECT_EQ(fewer["macs"].get<double>() + all["layers"].back()["macs"].get<double>(), all["macs"]);
  EXPECT_EQ(fewer["digital"].back()["name"], last);
}

TEST_F(OperatingPointVerbs, device_describes_the_layers_of_the_file) {
  const std::vector<std::string> words{"device", "charge-integrating-receiver", "--trials", "2",
                                       "--json"};
  const auto device = [&](std::vector<std::string> more) {
    std::vector<std::string> line = words;
    line.insert(line.end(), more.begin(), more.end());
    return parse(run_command(line));
  };
  const json layers = device(
      {"--set",
       points(
           "layers:\n"
           "  - {name: a, photons_per_mac: 300, dot_length: 200}\n"
           "  - {name: b, photons_per_mac: [200, 400, 250, 350, 290, 310, 300], repetitions: 4,\n"
           "     dot_length: 200}\n")})["layers"];
  ASSERT_EQ(layers.size(), 2u);
  const json alone = device({"--photons", "300", "--dot-length", "200"});
  EXPECT_EQ(layers[0]["noise_bits"], alone["noise"]["noise_bits"]);
  EXPECT_EQ(layers[0]["power_w"], alone["noise"]["power_w"]);
  EXPECT_EQ(layers[1]["photons_per_mac"], 300);
  // Four repetitions are 6 dB, and one bit.
  EXPECT_NEAR(layers[1]["snr_db"].get<double>() - layers[0]["snr_db"].get<double>(),
              10 * std::log10(4.0), 1e-9);
  EXPECT_NEAR(layers[1]["enob"].get<double>() - layers[0]["enob"].get<double>(), 1, 1e-9);
  EXPECT_EQ(layers[1]["reads"].get<double>(), 4 * layers[0]["reads"].get<double>());
}

TEST_F(OperatingPointVerbs, device_says_what_a_file_lacks) {
  const auto refused = [&](const std::string& text, std::vector<std::string> more = {}) {
    std::vector<std::string> words{"device", "ideal-shot-noise", "--trials", "2",
                                   "--set",  points(text)};
    words.insert(words.end(), more.begin(), more.end());
    return run_command(words);
  };
  const std::string short_file = "layers:\n  - {name: a, photons_per_mac: 300}\n";
  const Outcome lengthless = refused(short_file);
  EXPECT_EQ(lengthless.code, 2);
  EXPECT_THAT(lengthless.err, AllOf(HasSubstr("'a'"), HasSubstr("--dot-length")));
  EXPECT_EQ(refused(short_file, {"--dot-length", "64"}).code, 0);
  const Outcome repeats = refused("law: garg-thermal\n" + short_file);
  EXPECT_EQ(repeats.code, 2);
  EXPECT_THAT(repeats.err, HasSubstr("garg-thermal"));
}

}  // namespace
}  // namespace attojoule::tests
