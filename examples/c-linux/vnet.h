// The configuration of examples/vnet-to-vnet/published.json, as C structs.
#ifndef VNET_H
#define VNET_H

#include "dash.h"

// Room for the configuration, one packet core.
extern const dash_capacity_t vnet_capacity;

// The configuration, one transaction.
extern const dash_change_t vnet_changes[];
extern const size_t vnet_change_count;

// Its one ENI.
#define VNET_ENI 0

#endif
