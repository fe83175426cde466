// Long names, in short.

/** `AllocationReady` of `allocator.allocations.v1.AllocationReady`. */
export const shortType = (type: string): string => type.slice(type.lastIndexOf(".") + 1);

/** `MachineService/PublishMachine` of `allocator.machines.v1.MachineService/PublishMachine`. */
export const shortMethod = (method: string): string => method.replace(/^.*\.(?=[^./]+\/)/, "");
