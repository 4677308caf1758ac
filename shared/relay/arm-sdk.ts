/** What of the SDK is used, apart, so that a bundle can load it by itself and leave out the rest. */
export { ContainerServiceClient } from '@azure/arm-containerservice';
