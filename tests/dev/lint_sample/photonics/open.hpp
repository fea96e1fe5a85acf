// wrong-file: pragma-once licence
// SPDX-License-Identifier: Proprietary
using namespace std;  // wrong: namespace
