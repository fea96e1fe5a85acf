#include "calibration/export_formats.hpp"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"

namespace attojoule::calibration {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;

MatrixXd correlation_of(const CalibratedValues& values) {
  MatrixXd c = values.covariance();
  const Eigen::VectorXd u = c.diagonal().cwiseSqrt();
  for (Index i = 0; i < c.rows(); ++i) {
    for (Index k = 0; k < c.cols(); ++k) {
      if (u(i) > 0 && u(k) > 0) c(i, k) /= u(i) * u(k);
      if (i == k) c(i, k) = 1;
    }
  }
  return c;
}

// Numbers that are not known leave their cell empty.
std::string cell(double value) {
  return std::isfinite(value) ? fmt::format("{:.17g}", value) : "";
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? "\"\"" : std::string(1, c);
  return result + "\"";
}

std::string source_of(const CalibratedValues& values) {
  return fmt::format("{} (sha256 {})", values.input.path, values.input.sha256);
}

std::string csv(const CalibratedValues& values) {
  std::string text = fmt::format("# source: {}\n", source_of(values));
  text += "name,unit,value,u_a,u_b,u,interval95_low,interval95_high";
  for (const Estimate& e : values.values) text += ",correlation with " + e.name;
  text += "\n";
  const MatrixXd correlation = correlation_of(values);
  for (std::size_t k = 0; k < values.values.size(); ++k) {
    const Estimate& e = values.values[k];
    text += fmt::format("{},{},{},{},{},{},{},{}", quoted(e.name), quoted(e.unit), cell(e.value),
                        cell(e.u_a), cell(e.u_b), cell(e.combined()), cell(e.interval_low),
                        cell(e.interval_high));
    for (Index i = 0; i < correlation.cols(); ++i) {
      text += "," + cell(correlation(static_cast<Index>(k), i));
    }
    text += "\n";
  }
  return text;
}

std::string json(const CalibratedValues& values) {
  using Json = nlohmann::ordered_json;
  const auto number = [](double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); };
  Json object;
  object["source"] = {{"file", values.input.path}, {"sha256", values.input.sha256}};
  object["parameters"] = Json::array();
  for (const Estimate& e : values.values) {
    object["parameters"].push_back({{"name", e.name},
                                    {"unit", e.unit},
                                    {"value", number(e.value)},
                                    {"u_a", number(e.u_a)},
                                    {"u_b", number(e.u_b)}});
  }
  const MatrixXd covariance = values.covariance();
  object["covariance"] = Json::array();
  for (Index i = 0; i < covariance.rows(); ++i) {
    Json row = Json::array();
    for (Index k = 0; k < covariance.cols(); ++k) row.push_back(number(covariance(i, k)));
    object["covariance"].push_back(row);
  }
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string markdown(const CalibratedValues& values) {
  std::string text =
      "| parameter | value | unit | u type A | u type B | what |\n|---|---|---|---|---|---|\n";
  for (const Estimate& e : values.values) {
    text += fmt::format("| `{}` | {} | {} | {:.2g} | {:.2g} | {} |\n", e.name,
                        concise(e.value, e.combined()), e.unit, e.u_a, e.u_b, e.meaning);
  }
  return text + "\nSource: " + source_of(values) +
         ". In brackets: standard uncertainty of the last digits.\n";
}

std::string latex_text(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '\\':
        result += "\\textbackslash{}";
        break;
      case '^':
        result += "\\textasciicircum{}";
        break;
      case '~':
        result += "\\textasciitilde{}";
        break;
      case '_':
      case '%':
      case '&':
      case '#':
      case '$':
      case '{':
      case '}':
        result += '\\';
        result += c;
        break;
      default:
        result += c;
    }
  }
  return result;
}

// "A/sqrt(Hz)", "V^2/Hz", "kohm", "DN/e-" as they are printed, without any package.
std::string latex_unit(const std::string& unit) {
  std::string result;
  for (std::size_t i = 0; i < unit.size();) {
    const std::string rest = unit.substr(i);
    std::size_t end = 1;
    if (rest.starts_with("sqrt(") && rest.find(')') != std::string::npos) {
      end = rest.find(')') + 1;
      result += "$\\sqrt{\\mathrm{" + latex_text(rest.substr(5, end - 6)) + "}}$";
    } else if (rest.starts_with("ohm")) {
      end = 3;
      result += "$\\Omega$";
    } else if (rest.starts_with("e-") && (i == 0 || unit[i - 1] == '/')) {
      end = 2;
      result += "e$^{-}$";
    } else if (rest[0] == '^' && rest.find_first_of("0123456789") <= 2) {
      end = rest.find_first_not_of("0123456789", rest.find_first_of("0123456789"));
      end = std::min(end, rest.size());
      result += "$^{" + rest.substr(1, end - 1) + "}$";
    } else if (rest[0] == '*') {
      result += "$\\cdot$";
    } else {
      result += latex_text(rest.substr(0, 1));
    }
    i += end;
  }
  return result;
}

// "2.094(12)e-12" in math mode, without any package.
std::string latex_number(const std::string& concise_text) {
  if (concise_text.find_first_of("0123456789") == std::string::npos) return concise_text;
  const auto mark = concise_text.find('e');
  if (mark == std::string::npos) return "$" + concise_text + "$";
  return fmt::format("${}\\times 10^{{{}}}$", concise_text.substr(0, mark),
                     std::stoi(concise_text.substr(mark + 1)));
}

std::string latex(const CalibratedValues& values) {
  // A tabular does not break over pages: of a long list there is one a page.
  constexpr std::size_t page = 40;
  std::string text = "% " + source_of(values) + "\n";
  for (std::size_t k = 0; k < values.values.size(); ++k) {
    if (k % page == 0) {
      if (k > 0) text += "\\end{tabular}\n\n";
      text += "\\begin{tabular}{lll}\nparameter & value & unit \\\\ \\hline\n";
      // The rule touches the first row without a strut.
      text += "\\rule{0pt}{2.6ex}%\n";
    }
    const Estimate& e = values.values[k];
    text += fmt::format("\\texttt{{{}}} & {} & {} \\\\\n", latex_text(e.name),
                        latex_number(concise(e.value, e.combined())),
                        e.unit == "1" ? "" : latex_unit(e.unit));
  }
  return text + "\\end{tabular}\n";
}

std::string list_of(const CalibratedValues& values, const std::string& open,
                    const std::string& close, const std::string& next_row, bool covariance) {
  std::string text = open;
  const MatrixXd c = values.covariance();
  if (!covariance) {
    for (std::size_t k = 0; k < values.values.size(); ++k) {
      text += fmt::format("{}{:.17g}", k > 0 ? ", " : "", values.values[k].value);
    }
    return text + close;
  }
  for (Index i = 0; i < c.rows(); ++i) {
    if (i > 0) text += next_row;
    for (Index k = 0; k < c.cols(); ++k)
      text += fmt::format("{}{:.17g}", k > 0 ? ", " : "", c(i, k));
  }
  return text + close;
}

std::string names_in(const CalibratedValues& values, bool units, char quote) {
  std::string text;
  for (const Estimate& e : values.values) {
    text +=
        fmt::format("{}{}{}{}", text.empty() ? "" : ", ", quote, units ? e.unit : e.name, quote);
  }
  return text;
}

std::string python(const CalibratedValues& values) {
  return fmt::format(
      "\"\"\"Calibrated values of {}.\"\"\"\nimport numpy as np\n\nnames = [{}]\nunits = [{}]\n"
      "values = np.array({})\ncovariance = np.array({})\n\n\n"
      "def draws(count, seed=0):\n    \"\"\"count x parameters, from the covariance.\"\"\"\n"
      "    u = np.sqrt(np.diag(covariance))\n    s = np.where(u > 0, u, 1)\n"
      "    # In standard uncertainties: units of very different size do not spoil the factor.\n"
      "    z = np.random.default_rng(seed).multivariate_normal(\n"
      "        np.zeros(len(u)), covariance / np.outer(s, s), count, check_valid='raise')\n"
      "    return values + z * s\n\n\n"
      "def correlated():\n    \"\"\"By name, as numbers of the package uncertainties.\"\"\"\n"
      "    from uncertainties import correlated_values_norm\n"
      "    u = np.sqrt(np.diag(covariance))\n    s = np.where(u > 0, u, 1)\n"
      "    r = covariance / np.outer(s, s)\n    np.fill_diagonal(r, 1)\n"
      "    return dict(zip(names, correlated_values_norm(list(zip(values, u)), r)))\n\n\n"
      "def lmfit_parameters():\n    \"\"\"Start values with standard errors; dots of names as "
      "underscores.\"\"\"\n    from lmfit import Parameters\n    p = Parameters()\n"
      "    for k, name in enumerate(names):\n        key = name.replace('.', '_')\n"
      "        p.add(key, value=values[k])\n        p[key].stderr = covariance[k, k] ** 0.5\n"
      "    return p\n",
      source_of(values), names_in(values, false, '\''), names_in(values, true, '\''),
      list_of(values, "[", "]", "", false), list_of(values, "[[", "]]", "], [", true));
}

std::string matlab(const CalibratedValues& values) {
  return fmt::format(
      "% {}\ncalibration.names = {{{}}};\ncalibration.units = {{{}}};\n"
      "calibration.values = {}';\ncalibration.covariance = {};\n",
      source_of(values), names_in(values, false, '\''), names_in(values, true, '\''),
      list_of(values, "[", "]", "", false), list_of(values, "[", "]", "; ", true));
}

void need_values(const CalibratedValues& values) {
  if (!values.values.empty()) return;
  throw ConfigError(
      fmt::format("{}: no section `calibration` (there is nothing to export). Write one with "
                  "attojoule calibrate KIND DATA --out DIR: DIR/device.yaml.",
                  values.name));
}

}  // namespace

std::string concise(double value, double u) {
  if (!std::isfinite(value)) return "not known";
  if (!(u > 0) || !std::isfinite(u)) return fmt::format("{:.6g}", value);
  // Two digits of the uncertainty, rounded up: it is never made to look smaller.
  int exponent = static_cast<int>(std::floor(std::log10(u))) - 1;
  auto digits = static_cast<long>(std::ceil(u / std::pow(10, exponent) - 1e-9));
  if (digits >= 100) {
    digits = 10;
    ++exponent;
  }
  const double magnitude = std::abs(value) > u ? std::abs(value) : u;
  const int order = static_cast<int>(std::floor(std::log10(magnitude)));
  if (order >= -4 && order < 6 && exponent <= 0) {
    const double shown = exponent == 0 ? static_cast<double>(digits)
                                       : static_cast<double>(digits) * std::pow(10, exponent);
    // Above one the uncertainty is written with its point: 123.4(1.2).
    const std::string in_brackets = exponent < 0 && shown >= 1
                                        ? fmt::format("{:.{}f}", shown, -exponent)
                                        : fmt::format("{}", digits);
    return fmt::format("{:.{}f}({})", value, -exponent, in_brackets);
  }
  const int places = std::max(0, order - exponent);
  // 2.0936(116)e-12, with as many digits of u as the mantissa has places for.
  const double mantissa = value / std::pow(10, order);
  return fmt::format("{:.{}f}({})e{}", mantissa, places, digits, order);
}

std::string exported(const CalibratedValues& values, const std::string& format) {
  need_values(values);
  if (format == "csv") return csv(values);
  if (format == "json") return json(values);
  if (format == "markdown") return markdown(values);
  if (format == "latex") return latex(values);
  if (format == "python") return python(values);
  if (format == "matlab") return matlab(values);
  throw ConfigError(fmt::format(
      "--format {}: unknown. One of csv, json, markdown, latex, python, matlab, draws, device.",
      format));
}

std::string drawn_csv(const CalibratedValues& values, std::size_t count, std::uint64_t seed) {
  need_values(values);
  const auto n = static_cast<Index>(values.values.size());
  // The symmetric root of the correlation: exact for parameters that depend on each other.
  const MatrixXd covariance = values.covariance();
  if (!covariance.allFinite()) {
    throw ConfigError(
        fmt::format("{}: the covariance is not known (verdict {}). Mend that "
                    "calibration first.",
                    values.name, values.verdict));
  }
  MatrixXd correlation = correlation_of(values);
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(correlation);
  if (eigen.eigenvalues()(0) < -1e-6) {
    throw ConfigError(
        fmt::format("{}: the covariance is not positive semidefinite (no random "
                    "numbers have it). Correct it.",
                    values.name));
  }
  const MatrixXd root = eigen.eigenvectors() *
                        eigen.eigenvalues().cwiseMax(0).cwiseSqrt().asDiagonal() *
                        eigen.eigenvectors().transpose();
  std::string text = fmt::format("# source: {}\n# seed: {}\n", source_of(values), seed);
  for (Index k = 0; k < n; ++k) {
    const Estimate& e = values.values[static_cast<std::size_t>(k)];
    text += fmt::format("{}{} [{}]", k > 0 ? "," : "", e.name, e.unit);
  }
  text += "\n";
  for (std::size_t draw = 0; draw < count; ++draw) {
    photonics::RandomSequence random(
        {.seed = seed, .domain = photonics::NoiseDomain::lab, .layer = 2}, draw);
    Eigen::VectorXd z(n);
    for (Index k = 0; k < n; ++k) z(k) = random.normal();
    const Eigen::VectorXd x = root * z;
    for (Index k = 0; k < n; ++k) {
      const Estimate& e = values.values[static_cast<std::size_t>(k)];
      text +=
          fmt::format("{}{:.17g}", k > 0 ? "," : "", e.value + std::sqrt(covariance(k, k)) * x(k));
    }
    text += "\n";
  }
  return text;
}

}  // namespace attojoule::calibration
