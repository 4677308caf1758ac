/** The operations that are used, in a file of their own, so that a bundle loads them alone and leaves out the rest of the SDK. */
export { createContainerService } from '@azure/arm-containerservice/api';
export { get, getCommandResult, runCommand } from '@azure/arm-containerservice/api/managedClusters';
