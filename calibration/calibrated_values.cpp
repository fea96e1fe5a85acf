#include "calibration/calibrated_values.hpp"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/bytes.hpp"
#include "data/device_calibration.hpp"
#include "data/device_file.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

using Json = nlohmann::json;

double number(const Json& json) {
  return json.is_null() ? not_known : json.get<double>();
}

CalibratedValues from_result(const std::string& path) {
  CalibratedValues found;
  found.name = path;
  std::ifstream in(path);
  if (!in) throw DataError(fmt::format("{}: no such file. Check the path.", path));
  try {
    const Json json = Json::parse(in);
    if (json.at("format") != "attojoule-calibration") throw DataError("");
    found.kind = json.at("kind").get<std::string>();
    found.verdict = json.at("verdict").get<std::string>();
    const auto& covariance = json.at("covariance");
    const auto names = covariance.at("parameters").get<std::vector<std::string>>();
    const auto n = static_cast<Eigen::Index>(names.size());
    found.covariance_a = found.covariance_b = Eigen::MatrixXd::Zero(n, n);
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto row = static_cast<std::size_t>(i);
      const Json& p = json.at("parameters").at(names[row]);
      Estimate e;
      e.name = names[row];
      e.value = number(p.at("value"));
      e.unit = p.at("unit").get<std::string>();
      e.u_a = number(p.at("u_a"));
      e.u_b = number(p.at("u_b"));
      e.interval_low = number(p.at("interval95").at(0));
      e.interval_high = number(p.at("interval95").at(1));
      if (p.contains("interval68")) {
        e.interval68_low = number(p.at("interval68").at(0));
        e.interval68_high = number(p.at("interval68").at(1));
      }
      if (p.contains("dof")) e.dof = p.at("dof").get<double>();
      if (p.contains("meaning")) e.meaning = p.at("meaning").get<std::string>();
      found.values.push_back(e);
      for (Eigen::Index k = 0; k < n; ++k) {
        const auto column = static_cast<std::size_t>(k);
        found.covariance_a(i, k) = number(covariance.at("type_a").at(row).at(column));
        found.covariance_b(i, k) = number(covariance.at("type_b").at(row).at(column));
      }
    }
    if (json.contains("device")) {
      for (const Json& entry : json.at("device").at("parameters")) {
        found.device.push_back({entry.at("key"), entry.at("unit"), entry.at("parameter"),
                                entry.at("factor").get<double>()});
      }
      for (const auto& [key, value] : json.at("device").at("conditions").items()) {
        found.device_conditions.emplace_back(key, value.get<std::string>());
      }
    }
  } catch (const DataError&) {
    throw DataError(fmt::format(
        "{}: is no result of a fit (\"format\" is another one). Name DIR/result.json of attojoule "
        "calibrate KIND --out DIR.",
        path));
  } catch (const Json::exception& error) {
    throw DataError(
        fmt::format("{}: is no result.json of attojoule calibrate ({}). Name DIR/result.json of "
                    "attojoule calibrate KIND --out DIR.",
                    path, error.what()));
  }
  found.input = {path, data::sha256_of_file(path), "attojoule-calibration"};
  return found;
}

CalibratedValues from_device(const std::string& name_or_path) {
  CalibratedValues found;
  found.name = name_or_path;
  found.kind = "device";
  found.types_apart = false;
  data::load_device(name_or_path);  // the whole file must be one
  const data::DeviceCalibration calibration = data::load_calibration(name_or_path);
  const auto n = static_cast<Eigen::Index>(calibration.parameters.size());
  found.covariance_a = found.covariance_b = Eigen::MatrixXd::Zero(n, n);
  for (const auto& parameter : calibration.parameters) {
    Estimate e;
    e.name = parameter.key;
    e.unit = parameter.unit;
    e.value = parameter.value;
    e.u_a = parameter.u_a;
    e.u_b = parameter.u_b;
    set_interval(e, std::numeric_limits<double>::infinity());
    found.values.push_back(e);
  }
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index k = 0; k < n; ++k) {
      found.covariance_b(i, k) = calibration.covariance[static_cast<std::size_t>(i * n + k)];
    }
  }
  const std::string file = data::device_path(name_or_path).string();
  found.input = {file, data::sha256_of_file(file), "attojoule-device"};
  return found;
}

}  // namespace

std::size_t CalibratedValues::find(const std::string& value) const {
  std::size_t k = 0;
  while (k < values.size() && values[k].name != value) ++k;
  return k;
}

CalibratedValues load_calibrated_values(const std::string& name_or_path) {
  return name_or_path.ends_with(".json") ? from_result(name_or_path) : from_device(name_or_path);
}

}  // namespace attojoule::calibration
