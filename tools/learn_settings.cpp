#include "tools/learn_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "photonics/error.hpp"

namespace attojoule::tools {
namespace {

using data::ConfigNode;
using data::Dimension;
using network::Granularity;
using network::LearnMethod;
using network::Objective;

constexpr std::array methods{std::pair{"gradient", LearnMethod::gradient},
                             std::pair{"sensitivity", LearnMethod::sensitivity},
                             std::pair{"hybrid", LearnMethod::hybrid}};
constexpr std::array granularities{std::pair{"layer", Granularity::layer},
                                   std::pair{"channel", Granularity::channel}};
constexpr std::array objectives{std::pair{"optical", Objective::optical},
                                std::pair{"total", Objective::total}};

constexpr std::array schedules{std::pair{"auto", ScheduleKind::automatic},
                               std::pair{"hardware", ScheduleKind::hardware},
                               std::pair{"continuous", ScheduleKind::continuous}};

struct TargetKey {
  const char* key;
  TargetKind kind;
  double highest;  // largest value that makes sense
};
constexpr std::array target_keys{
    TargetKey{"max_degradation_points", TargetKind::points, 100},
    TargetKey{"max_degradation_percent", TargetKind::relative, 100},
    TargetKey{"min_accuracy_percent", TargetKind::accuracy, 100},
    TargetKey{"max_loss_increase", TargetKind::loss, 1e6},
};

template <class Table>
auto choose(const ConfigNode& node, const std::string& key, const Table& table,
            const char* fallback) {
  const std::string name = node.text_or(key, fallback);
  std::string known;
  for (const auto& [text, value] : table) {
    if (name == text) return value;
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  node.child(key).fail(fmt::format("learn.{}: '{}' is unknown", key, name),
                       fmt::format("Choose one of: {}", known));
}

template <class Table, class Value>
const char* name_of(const Table& table, Value value) {
  for (const auto& [name, entry] : table) {
    if (entry == value) return name;
  }
  return "unknown";
}

std::int64_t whole(const ConfigNode& node, const std::string& key, std::int64_t fallback,
                   std::int64_t lowest, std::int64_t highest) {
  const std::int64_t value = node.integer_or(key, fallback);
  if (node.has(key) && (value < lowest || value > highest)) {
    node.child(key).fail(
        fmt::format("learn.{}: {} is outside {} to {}", key, value, lowest, highest),
        "Give a whole number in that range");
  }
  return value;
}

double read_target(const ConfigNode& node, const char* key, double highest) {
  const double value = node.number(key, Dimension::none);
  if (!(value > 0) || !(value <= highest)) {
    node.child(key).fail(fmt::format("learn.{}: {} is outside 0 to {}", key, value, highest),
                         "Give a number above 0, such as 2");
  }
  return value;
}

}  // namespace

const char* to_string(LearnMethod method) {
  return name_of(methods, method);
}
const char* to_string(Granularity granularity) {
  return name_of(granularities, granularity);
}
const char* to_string(Objective objective) {
  return name_of(objectives, objective);
}

LearnSettings read_learn_settings(const ConfigNode& node) {
  LearnSettings s;
  s.method = choose(node, "method", methods, "hybrid");
  s.granularity = choose(node, "granularity", granularities, "channel");
  s.objective = choose(node, "objective", objectives, "optical");
  const TargetKey* chosen = nullptr;
  for (const auto& target : target_keys) {
    if (!node.has(target.key)) continue;
    if (chosen != nullptr) {
      node.child(target.key)
          .fail(fmt::format("learn.{}: a second target beside learn.{}", target.key, chosen->key),
                "Give one of them");
    }
    chosen = &target;
    s.target_kind = target.kind;
    s.target = read_target(node, target.key, target.highest);
  }
  if (node.has("search_target")) {
    const double highest = chosen != nullptr ? chosen->highest : target_keys.front().highest;
    s.search_target = read_target(node, "search_target", highest);
  }
  constexpr std::array bounds{std::pair{"upper95", true}, std::pair{"mean", false}};
  s.bound = choose(node, "search_bound", bounds, "upper95");
  constexpr std::int64_t many = std::int64_t{1} << 31;
  s.learning_images = whole(node, "learning_images", 0, 1, many);
  s.search_images = whole(node, "search_images", 0, 1, many);
  s.search_seeds = static_cast<int>(whole(node, "search_seeds", 0, 1, 100000));
  s.rounds = static_cast<int>(whole(node, "rounds", s.rounds, 1, 16));
  s.steps = static_cast<int>(whole(node, "steps", 0, 1, 10000000));
  s.batch = static_cast<int>(whole(node, "batch", s.batch, 1, 65536));
  s.curvature_images = whole(node, "curvature_images", 0, 1, many);
  s.learning_rate = node.number_or("learning_rate", Dimension::none, 0);
  if (node.has("learning_rate") && !(s.learning_rate > 0 && s.learning_rate <= 10)) {
    node.child("learning_rate")
        .fail(fmt::format("learn.learning_rate: {} is outside 0 to 10", s.learning_rate),
              "Give the step of Adam in ln E, such as 0.01");
  }
  s.schedule = choose(node, "schedule", schedules, "auto");
  s.levers.power_bits = static_cast<int>(whole(node, "power_bits", 0, 1, 24));
  s.levers.max_integrations = whole(node, "max_integrations", 1, 1, 1 << 20);
  s.levers.max_repetitions = whole(node, "max_repetitions", s.levers.max_repetitions, 1, 1 << 30);
  if (node.has("curve")) {
    for (const ConfigNode& item : node.child("curve").items()) {
      s.curve.push_back(item.number(Dimension::none));
      if (!(s.curve.back() > 0) || !std::isfinite(s.curve.back())) {
        item.fail(fmt::format("learn.curve: {} is no factor of an energy", s.curve.back()),
                  "Give numbers above 0, such as [0.5, 1, 2]");
      }
    }
    std::sort(s.curve.begin(), s.curve.end());
  }
  node.finish();
  return s;
}

std::string to_yaml(const LearnSettings& s) {
  std::string text =
      fmt::format("{{method: {}, granularity: {}, objective: {}", to_string(s.method),
                  to_string(s.granularity), to_string(s.objective));
  for (const auto& target : target_keys) {
    if (target.kind == s.target_kind) text += fmt::format(", {}: {}", target.key, s.target);
  }
  text += fmt::format(
      ", search_bound: {}, schedule: {}, rounds: {}, batch: {}, max_integrations: {}, "
      "max_repetitions: {}",
      s.bound ? "upper95" : "mean", name_of(schedules, s.schedule), s.rounds, s.batch,
      s.levers.max_integrations, s.levers.max_repetitions);
  const auto optional = [&text](const char* key, auto value) {
    if (value > 0) text += fmt::format(", {}: {}", key, value);
  };
  if (s.search_target) text += fmt::format(", search_target: {}", *s.search_target);
  optional("learning_images", s.learning_images);
  optional("search_images", s.search_images);
  optional("search_seeds", s.search_seeds);
  optional("steps", s.steps);
  optional("learning_rate", s.learning_rate);
  optional("curvature_images", s.curvature_images);
  optional("power_bits", s.levers.power_bits);
  if (!s.curve.empty()) text += fmt::format(", curve: [{}]", fmt::join(s.curve, ", "));
  return text + "}";
}

}  // namespace attojoule::tools
