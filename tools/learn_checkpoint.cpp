#include "tools/learn_checkpoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "photonics/error.hpp"

namespace attojoule::tools {
namespace {

using json = nlohmann::json;
using Points = std::vector<network::ProductOperatingPoint>;

constexpr const char* checkpoint_format = "attojoule-learn-checkpoint";
constexpr int checkpoint_version = 1;

json to_json(const std::vector<SearchPoint>& points) {
  json list = json::array();
  for (const auto& p : points) {
    list.push_back({p.mean_photons_per_mac, p.degradation, p.criterion, p.images, p.seeds});
  }
  return list;
}

std::vector<SearchPoint> search_points(const json& list) {
  std::vector<SearchPoint> points;
  for (const auto& p : list) {
    points.push_back({p.at(0).get<double>(), p.at(1).get<double>(), p.at(2).get<double>(),
                      p.at(3).get<std::int64_t>(), p.at(4).get<int>()});
  }
  return points;
}

json to_json(const Points& points) {
  json list = json::array();
  for (const auto& product : points) {
    json row = json::array();
    for (const auto& p : product) row.push_back({p.photons_per_mac, p.repetitions, p.integrations});
    list.push_back(row);
  }
  return list;
}

Points operating_points(const json& list) {
  Points points;
  for (const auto& row : list) {
    points.emplace_back();
    for (const auto& p : row) {
      points.back().push_back(
          {p.at(0).get<double>(), p.at(1).get<double>(), p.at(2).get<double>()});
    }
  }
  return points;
}

json to_json(const network::LearnState& state) {
  json history = json::array();
  for (const auto& s : state.history) history.push_back({s.step, s.loss, s.accuracy, s.cost});
  return {{"step", state.step},
          {"round", state.round},
          {"passes", state.passes},
          {"log_energy", state.log_energy},
          {"first_moment", state.first_moment},
          {"second_moment", state.second_moment},
          {"sum", state.sum},
          {"summed", state.summed},
          {"history", history},
          {"trust",
           {state.trust.predicted, state.trust.measured, state.trust.standard_error,
            state.trust.holds}}};
}

network::LearnState learn_state(const json& from) {
  network::LearnState state;
  from.at("step").get_to(state.step);
  from.at("round").get_to(state.round);
  from.at("passes").get_to(state.passes);
  from.at("log_energy").get_to(state.log_energy);
  from.at("first_moment").get_to(state.first_moment);
  from.at("second_moment").get_to(state.second_moment);
  from.at("sum").get_to(state.sum);
  from.at("summed").get_to(state.summed);
  for (const auto& s : from.at("history")) {
    state.history.push_back({s.at(0).get<std::int64_t>(), s.at(1).get<double>(),
                             s.at(2).get<double>(), s.at(3).get<double>()});
  }
  const json& trust = from.at("trust");
  state.trust = {trust.at(0).get<double>(), trust.at(1).get<double>(), trust.at(2).get<double>(),
                 trust.at(3).get<bool>()};
  return state;
}

json to_json(const LearningIdentity& identity) {
  return {{"experiment", identity.config},
          {"network", identity.model_sha256},
          {"data", identity.data_sha256},
          {"range_data", identity.learning_sha256},
          {"program version", identity.program}};
}

}  // namespace

std::filesystem::path checkpoint_file(const std::filesystem::path& out) {
  std::filesystem::path file = out;
  file += ".checkpoint";
  return file;
}

std::optional<LearningState> read_checkpoint(const std::filesystem::path& file,
                                             const LearningIdentity& identity) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return {};
  try {
    std::ifstream stream(file, std::ios::binary);
    const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(stream), {}};
    const json root = json::from_cbor(bytes);
    if (root.at("format") != checkpoint_format || root.at("version") != checkpoint_version) {
      throw DataError(fmt::format("{}: a checkpoint of another version. Delete it to start anew.",
                                  file.string()));
    }
    const json wanted = to_json(identity);
    for (const auto& [key, value] : wanted.items()) {
      if (root.at("identity").at(key) == value) continue;
      throw ConfigError(fmt::format(
          "{}: the checkpoint of another run (its {} differs). Delete it to start anew, "
          "or choose another --out.",
          file.string(), key));
    }
    LearningState state;
    state.uniform = search_points(root.at("uniform"));
    for (const auto& round : root.at("rounds")) {
      LearningRound one;
      one.cost = round.at("cost").get<double>();
      one.learned = round.at("learned").get<bool>();
      one.learner = learn_state(round.at("learner"));
      one.points = operating_points(round.at("points"));
      one.search = search_points(round.at("search"));
      for (const auto& log : round.at("tempered")) one.tempered.push_back(search_points(log));
      state.rounds.push_back(std::move(one));
    }
    return state;
  } catch (const json::exception& problem) {
    throw DataError(fmt::format("{}: cannot be read as a checkpoint ({}). Delete it to start anew.",
                                file.string(), problem.what()));
  }
}

void write_checkpoint(const std::filesystem::path& file, const LearningIdentity& identity,
                      const LearningState& state) {
  json rounds = json::array();
  for (const auto& round : state.rounds) {
    json tempered = json::array();
    for (const auto& log : round.tempered) tempered.push_back(to_json(log));
    rounds.push_back({{"tempered", tempered},
                      {"cost", round.cost},
                      {"learned", round.learned},
                      {"learner", to_json(round.learner)},
                      {"points", to_json(round.points)},
                      {"search", to_json(round.search)}});
  }
  const json root{{"format", checkpoint_format},
                  {"version", checkpoint_version},
                  {"identity", to_json(identity)},
                  {"uniform", to_json(state.uniform)},
                  {"rounds", rounds}};
  const std::vector<std::uint8_t> bytes = json::to_cbor(root);
  std::filesystem::path temporary = file;
  temporary += fmt::format(".{}.part", getpid());
  std::ofstream stream(temporary, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  stream.close();
  // On the disk before it has the name: a crash leaves the old checkpoint or the new one.
  const int descriptor = ::open(temporary.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = stream.good() && descriptor >= 0 && ::fsync(descriptor) == 0;
  if (descriptor >= 0) ::close(descriptor);
  std::error_code error;
  if (synced) std::filesystem::rename(temporary, file, error);
  if (!synced || error) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw RunError(fmt::format("{}: cannot be written ({}). Check the disk's free space.",
                               file.string(), error ? error.message() : "write failed"));
  }
}

}  // namespace attojoule::tools
