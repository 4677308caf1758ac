/** The part of the SDK that is used, in a file of its own, so that a bundle can load it alone and leave out the rest. */
export { ContainerServiceClient } from '@azure/arm-containerservice';
