// `attojoule device --device-draws N`: link and noise budget over devices drawn from a calibration.
// Nothing is sampled but the devices: the spread is the calibration's alone.
// Test: tests/tools/device_draws_test.cpp.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "data/result_file.hpp"
#include "tools/device_report.hpp"
#include "tools/drawn_devices.hpp"

namespace attojoule::tools {

// One figure of the budget at the request's operating point.
struct BudgetSpread {
  std::string name, unit, long_name;
  double calibrated = 0;  // at the calibration's own values
  std::vector<double> by_device;
  double mean = 0;
  double u = 0;                  // standard deviation between devices
  double low95 = 0, high95 = 0;  // 2.5 and 97.5 % quantiles of the devices
  std::vector<double> correlations;
};

struct BudgetDrawsReport {
  DrawnDevices drawn;
  // Figures that are finite for the calibrated and every drawn device.
  std::vector<BudgetSpread> figures;
};

// `device` has the calibration's own values. ConfigError where fewer than two drawn devices can do
// what `request` asks for.
BudgetDrawsReport budget_of_drawn_devices(const photonics::Device& device,
                                          const DeviceRequest& request, DrawnDevices drawn);

void print_budget_draws(const BudgetDrawsReport& report, std::ostream& out);
nlohmann::ordered_json budget_draws_json(const BudgetDrawsReport& report);
// The group /calibration.
void write_budget_draws(const BudgetDrawsReport& report, data::ResultWriter& writer);

}  // namespace attojoule::tools
