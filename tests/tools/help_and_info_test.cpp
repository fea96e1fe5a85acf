// Help in every form, and attojoule info on every kind of file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/assets.hpp"
#include "tests/support/command_line.hpp"

namespace attojoule::tests {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Help : public CommandLine {};

TEST_F(Help, overview) {
  const Outcome none = run_command({});
  EXPECT_EQ(none.code, 0);
  EXPECT_THAT(none.out, AllOf(HasSubstr("Usage: attojoule [OPTIONS]"), HasSubstr("run"),
                              HasSubstr("info"), HasSubstr("Exit codes: 0 ok")));
  for (const auto& words : std::vector<std::vector<std::string>>{{"help"}, {"--help"}, {"-h"}}) {
    const Outcome outcome = run_command(words);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.out, none.out) << words[0];
    EXPECT_EQ(outcome.err, "");
  }
}

TEST_F(Help, of_a_verb) {
  for (const std::string verb : {"run", "info"}) {
    const Outcome topic = run_command({"help", verb});
    EXPECT_EQ(topic.code, 0);
    EXPECT_THAT(topic.out, AllOf(HasSubstr("Usage: attojoule " + verb),
                                 HasSubstr("Examples:\n  attojoule " + verb), HasSubstr("--json")));
    EXPECT_EQ(run_command({verb, "--help"}).out, topic.out);
  }
}

TEST_F(Help, operators) {
  const Outcome outcome = run_command({"help", "operators"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("Conv, "), HasSubstr("opset 7 to"), HasSubstr("Softmax")));
  const Outcome table = run_command({"help", "operators", "--markdown"});
  EXPECT_EQ(table.code, 0);
  EXPECT_THAT(table.out, AllOf(HasSubstr("opset 7 to 22"),
                               HasSubstr("| MatMul | 1 | **optical product** | a constant matrix"),
                               HasSubstr("| Relu | 1 | fused, oneDNN |  |")));
}

TEST_F(Help, unknown_topic_names_the_topics) {
  const Outcome outcome = run_command({"help", "sweep"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("'sweep'"),
                    HasSubstr("operators, run, learn, map, device, calibrate, info, data")));
}

TEST_F(Help, markdown_holds_every_verb_and_the_overview) {
  const Outcome outcome = run_command({"help", "--markdown"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr(run_command({"help"}).out), HasSubstr("## attojoule run"),
                    HasSubstr("## attojoule info"), HasSubstr("## Operators")));
}

TEST_F(Help, version) {
  const Outcome outcome = run_command({"--version"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, testing::MatchesRegex("attojoule [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(Help, unknown_verb_names_the_verbs) {
  const Outcome outcome = run_command({"simulate"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("simulate"),
                    HasSubstr("Verbs: run, learn, map, device, calibrate, info, data, help")));
}

TEST_F(Help, unknown_flag_names_the_flags) {
  const Outcome outcome = run_command({"run", "--photons", "5"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("--photons"), HasSubstr("Options of run: "),
                                 HasSubstr("--model"), HasSubstr("--threads")));
}

TEST_F(Help, values_of_flags_are_checked) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"run", "--threads", "0"},
                                                                 {"run", "--threads", "two"},
                                                                 {"run", "--seed", "-1"},
                                                                 {"run", "--model"},
                                                                 {"info"}}) {
    const Outcome outcome = run_command(words);
    EXPECT_EQ(outcome.code, 2) << words.back();
    EXPECT_FALSE(outcome.err.empty());
    EXPECT_EQ(outcome.out, "");
  }
}

class Info : public CommandLine {};

TEST_F(Info, network) {
  const Outcome text = run_command({"info", model_file()});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("opset 13, 3 nodes, 131 parameters"), HasSubstr("?x12"),
                              HasSubstr("       2 Gemm")));
  const json object = json::parse(run_command({"info", model_file(), "--json"}).out);
  EXPECT_EQ(object["kind"], "network");
  EXPECT_EQ(object["parameters"], 12 * 8 + 8 + 8 * 3 + 3);
  EXPECT_EQ(object["inputs"]["x"], (std::vector<int>{-1, 12}));
  EXPECT_EQ(object["operators"]["Gemm"], 2);
  EXPECT_EQ(object["sha256"].get<std::string>().size(), 64u);
}

TEST_F(Info, dataset) {
  const std::string file = data_file();
  EXPECT_THAT(run_command({"info", file}).out, HasSubstr("data set of 60 samples of 12"));
  const json object = json::parse(run_command({"info", file, "--json"}).out);
  EXPECT_EQ(object["kind"], "dataset");
  EXPECT_EQ(object["samples"], 60);
  EXPECT_EQ(object["sample_shape"], (std::vector<int>{12}));
}

TEST_F(Info, device) {
  const Outcome text = run_command({"info", "ideal-shot-noise"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("wavelength: 1.55 um"));
  const json object = json::parse(run_command({"info", "ideal-shot-noise", "--json"}).out);
  EXPECT_EQ(object["kind"], "device");
  EXPECT_EQ(object["name"], "ideal-shot-noise");
  // What it prints is a device file.
  const std::string file = write("copy.yaml", text.out);
  EXPECT_EQ(run_command({"info", file}).out, text.out);
}

TEST_F(Info, result) {
  ASSERT_EQ(run({"--out", path("r.h5")}).code, 0);
  const Outcome text = run_command({"info", path("r.h5")});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("attojoule result"), HasSubstr("/accuracy/clean"),
                              HasSubstr("rng_contract"), HasSubstr("config:\nmodel: ")));
  const json object = json::parse(run_command({"info", path("r.h5"), "--json"}).out);
  EXPECT_EQ(object["kind"], "result");
  EXPECT_DOUBLE_EQ(object["data"]["/accuracy/clean"]["value"].get<double>(), 0.9);
  EXPECT_EQ(object["data"]["/layers/macs"]["units"], "MAC");
}

TEST_F(Info, what_is_none_of_these) {
  const Outcome missing = run_command({"info", path("missing.h5")});
  EXPECT_EQ(missing.code, 3);
  EXPECT_THAT(missing.err, HasSubstr("missing.h5"));
  const Outcome text = run_command({"info", write("notes.txt", "hello, this is no data set")});
  EXPECT_EQ(text.code, 3);
  EXPECT_THAT(text.err, HasSubstr("neither HDF5 nor IDX"));
  const Outcome preset = run_command({"info", "ideal-shot-nois"});
  EXPECT_EQ(preset.code, 2);
  EXPECT_THAT(preset.err, HasSubstr("ideal-shot-noise"));
  const Outcome empty = run_command({"info", write("empty.onnx", "")});
  EXPECT_EQ(empty.code, 3);
  for (const auto& outcome : {missing, text, preset, empty}) EXPECT_EQ(outcome.out, "");
}

TEST_F(Info, components_with_their_sources) {
  const Outcome text = run_command({"info", "components"});
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.out, HasSubstr("walden-65nm"));
  EXPECT_THAT(text.out, HasSubstr("57.07 fJ x 2^bits"));
  EXPECT_THAT(text.out, HasSubstr("Murmann"));
  const auto list = json::parse(run_command({"info", "components", "--json"}).out);
  EXPECT_EQ(list["kind"], "components");
  EXPECT_GT(list["components"].size(), 40u);
}

}  // namespace
}  // namespace attojoule::tests
