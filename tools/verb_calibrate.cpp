// attojoule calibrate: fits of the device model to laboratory measurements, one KIND each.
#include <CLI/CLI.hpp>
#include <memory>

#include "tools/calibrate/device_kinds.hpp"
#include "tools/calibrate/fit_kind.hpp"
#include "tools/calibrate/kinds.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {

Verb calibrate_verb() {
  Verb verb;
  verb.name = "calibrate";
  verb.summary = "Fits the device model to laboratory measurements, with uncertainties";
  verb.description =
      "Reads the program's own CSV (\"name [unit]\" headers, \"# key: value\" settings), CSV of\n"
      "Siglent, Keysight, Rohde & Schwarz, Tektronix and LeCroy instruments, Touchstone 1 and 2,\n"
      "HDF5, and EMVA 1288 descriptors and mean/variance tables (docs/calibration.md).\n"
      "`attojoule calibrate KIND --help` explains a kind.";
  verb.examples = {"attojoule calibrate inspect data/laboratory/own_with_units.csv"};
  verb.define = [](CLI::App& app) {
    app.require_subcommand(1);
    struct Entry {
      CLI::App* app;
      std::function<int(const Streams&)> action;
    };
    auto entries = std::make_shared<std::vector<Entry>>();
    std::vector<Verb> kinds = calibrate_fit_kinds();
    for (const Verb& kind : calibrate_device_kinds()) kinds.push_back(kind);
    for (const Verb& kind : calibrate_kinds()) kinds.push_back(kind);
    for (const Verb& kind : kinds) {
      CLI::App* sub = app.add_subcommand(kind.name, kind.summary);
      sub->footer(verb_footer(kind));
      entries->push_back({sub, kind.define(*sub)});
    }
    return [entries](const Streams& streams) {
      for (const Entry& entry : *entries) {
        if (entry.app->parsed()) return entry.action(streams);
      }
      return 2;  // CLI11 requires one
    };
  };
  return verb;
}

}  // namespace attojoule::tools
