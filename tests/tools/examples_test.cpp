// Every example in a verb's help runs as it stands, in a folder that shows the checkout's `data`.
#include <filesystem>

#include "tests/support/command_line.hpp"

namespace attojoule::tests {
namespace {

class Examples : public CommandLine, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    before_ = std::filesystem::current_path();
    std::filesystem::create_directory_symlink(std::filesystem::path(ATTOJOULE_SOURCE_DIR) / "data",
                                              path("data"));
    std::filesystem::current_path(folder_);
  }
  void TearDown() override {
    std::filesystem::current_path(before_);
    CommandLine::TearDown();
  }
  std::filesystem::path before_;
};

TEST_P(Examples, run_as_they_stand) {
  std::istringstream words(GetParam());
  std::vector<std::string> arguments;
  for (std::string word; words >> word;) arguments.push_back(word);
  ASSERT_EQ(arguments.at(0), "attojoule");
  arguments.erase(arguments.begin());
  const Outcome outcome = run_command(arguments);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_FALSE(outcome.out.empty());
}

std::vector<std::string> all_examples() {
  std::vector<std::string> examples;
  for (const auto& verb : tools::all_verbs()) {
    examples.insert(examples.end(), verb.examples.begin(), verb.examples.end());
  }
  return examples;
}

INSTANTIATE_TEST_SUITE_P(Verbs, Examples, testing::ValuesIn(all_examples()));

TEST(VerbExamples, every_verb_has_one) {
  for (const auto& verb : tools::all_verbs()) EXPECT_FALSE(verb.examples.empty()) << verb.name;
}

// The parsers of the command line and of a terminal agree on what an example says.
TEST(VerbExamples, need_no_shell) {
  for (const std::string& example : all_examples()) {
    EXPECT_EQ(example.find_first_of("'\"$*?|>&;"), std::string::npos) << example;
  }
}

}  // namespace
}  // namespace attojoule::tests
