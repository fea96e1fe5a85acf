#include "tools/verbs.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <new>

#include "data/version.hpp"
#include "network/operators.hpp"
#include "photonics/error.hpp"
#include "tools/operator_table.hpp"

namespace attojoule::tools {
namespace {

constexpr int exit_ok = 0;
constexpr int exit_run = 1;
constexpr int exit_usage = 2;
constexpr int exit_data = 3;
constexpr int exit_target = 4;

constexpr const char* program_summary =
    "Simulates neural networks on optical hardware: accuracy under photon noise, and the joules.";

std::string command_line_text;

std::string exit_code_text() {
  return "Exit codes: 0 ok, 1 run failed, 2 usage or configuration, 3 bad input data, 4 target not "
         "reachable.\n";
}

std::string examples_text(const Verb& verb) {
  std::string text = "\nExamples:\n";
  for (const auto& example : verb.examples) text += "  " + example + "\n";
  return text;
}

// CLI11 pads its columns.
std::string without_trailing_blanks(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\n') result.erase(result.find_last_not_of(' ') + 1);
    result += c;
  }
  return result;
}

struct Program {
  CLI::App app{program_summary, "attojoule"};
  std::vector<Verb> verbs = all_verbs();
  std::vector<CLI::App*> subcommands;
  std::vector<std::function<int(const Streams&)>> actions;
  CLI::App* help = nullptr;
  std::string help_topic;
  bool help_markdown = false;

  Program() {
    app.require_subcommand(0, 1);
    app.set_version_flag("--version", std::string(data::program_version()));
    app.footer("`attojoule VERB --help` explains a verb, with an example that runs.\n" +
               exit_code_text());
    for (const Verb& verb : verbs) {
      CLI::App* sub = app.add_subcommand(verb.name, verb.summary);
      sub->footer(verb_footer(verb));
      actions.push_back(verb.define(*sub));
      subcommands.push_back(sub);
    }
    help = app.add_subcommand("help", "Explains a verb, or lists the operators that can run");
    help->add_option("topic", help_topic, "A verb, or `operators`");
    help->add_flag(
        "--markdown", help_markdown,
        "The whole reference as Markdown (docs/cli.md); of `operators`: docs/operators.md");
  }

  // Not app.help(), which hands on to the verb that was parsed, `help` itself included.
  std::string overview() const {
    return without_trailing_blanks(
        app.get_formatter()->make_help(&app, "attojoule", CLI::AppFormatMode::Normal));
  }

  std::string verb_help(std::size_t index) {
    return without_trailing_blanks(subcommands[index]->help("attojoule"));
  }

  std::string operators_help() const {
    std::vector<std::string> names;
    for (const auto* op : network::all_operators()) names.emplace_back(op->name);
    return fmt::format(
        "ONNX operators that can run (opset {} to {}; docs/operators.md says how):\n{}\n",
        network::min_opset, network::max_opset, fmt::join(names, ", "));
  }

  std::string markdown() {
    std::string text =
        "# Command line\n\nWritten by `attojoule help --markdown`; do not edit.\n\n```text\n" +
        overview() + "```\n";
    for (std::size_t i = 0; i < verbs.size(); ++i) {
      text += fmt::format("\n## attojoule {}\n\n```text\n{}```\n", verbs[i].name, verb_help(i));
      for (CLI::App* kind : subcommands[i]->get_subcommands(nullptr)) {
        text += fmt::format("\n### attojoule {} {}\n\n```text\n{}```\n", verbs[i].name,
                            kind->get_name(),
                            without_trailing_blanks(kind->help("attojoule " + verbs[i].name)));
      }
    }
    text += "\n## Operators\n\n" + operators_help();
    return without_trailing_blanks(text);
  }

  int show_help(const Streams& streams) {
    if (help_markdown && help_topic == "operators") {
      streams.out << operators_markdown();
      return exit_ok;
    }
    if (help_markdown) {
      streams.out << markdown();
      return exit_ok;
    }
    if (help_topic.empty()) {
      streams.out << overview();
      return exit_ok;
    }
    if (help_topic == "operators") {
      streams.out << operators_help();
      return exit_ok;
    }
    std::vector<std::string> known{"operators"};
    for (std::size_t i = 0; i < verbs.size(); ++i) {
      if (verbs[i].name == help_topic) {
        streams.out << verb_help(i);
        return exit_ok;
      }
      known.push_back(verbs[i].name);
    }
    throw ConfigError(
        fmt::format("help: '{}' is no topic. Topics: {}.", help_topic, fmt::join(known, ", ")));
  }
};

// The options that the user could have meant.
std::string known_options(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_lnames().empty()) names.push_back("--" + option->get_lnames()[0]);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

const std::string& command_line() {
  return command_line_text;
}

std::string verb_footer(const Verb& verb) {
  return verb.description + "\n" + examples_text(verb);
}

std::vector<Verb> all_verbs() {
  return {run_verb(),       learn_verb(), map_verb(), device_verb(),
          calibrate_verb(), info_verb(),  data_verb()};
}

int run_program(const std::vector<std::string>& arguments, const Streams& streams) {
  command_line_text = "attojoule";
  for (const auto& argument : arguments) {
    const bool plain = argument.find_first_of(" \t\n'\"\\$") == std::string::npos;
    command_line_text += " " + (plain && !argument.empty() ? argument : "'" + argument + "'");
  }
  Program program;
  try {
    // CLI11 takes the arguments from the last to the first.
    program.app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    if (program.help->parsed()) return program.show_help(streams);
    for (std::size_t i = 0; i < program.verbs.size(); ++i) {
      if (program.subcommands[i]->parsed()) return program.actions[i](streams);
    }
    streams.out << program.overview();
    return exit_ok;
  } catch (const CLI::CallForHelp&) {
    for (std::size_t i = 0; i < program.verbs.size(); ++i) {
      if (program.subcommands[i]->parsed()) {
        streams.out << program.verb_help(i);
        return exit_ok;
      }
    }
    streams.out << program.overview();
    return exit_ok;
  } catch (const CLI::CallForVersion&) {
    streams.out << "attojoule " << data::program_version() << "\n";
    return exit_ok;
  } catch (const CLI::ParseError& error) {
    const CLI::App* used = &program.app;
    for (const CLI::App* sub : program.subcommands) {
      if (!sub->parsed()) continue;
      used = sub;
      for (const CLI::App* kind : sub->get_subcommands()) used = kind;
    }
    streams.err << "attojoule: " << error.what() << "\n";
    if (used == &program.app) {
      std::vector<std::string> names;
      for (const Verb& verb : program.verbs) names.push_back(verb.name);
      streams.err << fmt::format("Verbs: {}, help.\n", fmt::join(names, ", "));
    } else if (!used->get_subcommands(nullptr).empty() && used->get_subcommands().empty()) {
      std::vector<std::string> kinds;
      for (const CLI::App* kind : used->get_subcommands(nullptr)) kinds.push_back(kind->get_name());
      streams.err << fmt::format("Kinds of {}: {}.\n", used->get_name(), fmt::join(kinds, ", "));
    } else {
      streams.err << fmt::format("Options of {}: {}.\n", used->get_name(), known_options(*used));
    }
    return exit_usage;
  } catch (const ConfigError& error) {
    streams.err << "attojoule: " << error.what() << "\n";
    return exit_usage;
  } catch (const DataError& error) {
    streams.err << "attojoule: " << error.what() << "\n";
    return exit_data;
  } catch (const TargetError& error) {
    streams.err << "attojoule: " << error.what() << "\n";
    return exit_target;
  } catch (const std::bad_alloc&) {
    streams.err << "attojoule: out of memory. Use fewer threads or a smaller network.\n";
    return exit_run;
  } catch (const std::exception& error) {
    streams.err << "attojoule: " << error.what() << "\n";
    return exit_run;
  }
}

}  // namespace attojoule::tools
