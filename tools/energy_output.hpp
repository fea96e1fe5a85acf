// The ledger and its analysis as `run`, `map` and `device` show them: tables, JSON, HDF5.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "data/result_file.hpp"
#include "network/energy_analysis.hpp"

namespace attojoule::tools {

// Digital electronics and optical demonstrations of the component library.
std::vector<network::ReferenceLine> published_references();

void print_ledger(const network::EnergyLedger& ledger, std::ostream& out);
void print_analysis(const network::EnergyLedger& ledger, const network::EnergyAnalysis& analysis,
                    std::ostream& out);

// The object "energy": one entry for each component and the total, latency and average power.
nlohmann::ordered_json ledger_json(const network::EnergyLedger& ledger);
// Adds not_billed, sensitivity, references and, for each product, layers to "energy".
void add_analysis(const network::EnergyAnalysis& analysis, nlohmann::ordered_json& energy);
// Adds joule_per_inference of every component to an entry of "layers".
void add_joules(const network::LayerEnergy& layer, nlohmann::ordered_json& entry);

// Groups below /energy, and the columns by layer in /layers, whose axis /layers/name is there.
void write_ledger(const network::EnergyLedger& ledger, data::ResultWriter& writer);
void write_analysis(const network::EnergyAnalysis& analysis, data::ResultWriter& writer);

}  // namespace attojoule::tools
